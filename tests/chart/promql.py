"""PromQL by its own grammar: which series an expression asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import promql_parser

VARIABLES = {"$__rate_interval": "5m"}
"""Grafana's, where no string stands around them."""


@dataclass(frozen=True)
class Selector:
    """A series that is asked for: its name, and (label, operator, value) of each matcher."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is among those that are asked for."""
        return all(_fits(labels.get(label, ""), operator, value) for label, operator, value in self.matchers)


def selectors(expression: str) -> list[Selector]:
    """Parse an expression; a ValueError says where it is wrong."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    found: list[Selector] = []

    def note(node: promql_parser.Expr) -> None:
        node = getattr(node, "vector_selector", node)
        if isinstance(node, promql_parser.VectorSelector):
            matchers = tuple(
                (each.name, _OPERATORS[str(each.op)], each.value) for each in node.matchers.matchers
            )
            found.append(Selector(node.name, matchers))

    promql_parser.walk(promql_parser.parse(expression), note)
    return list(dict.fromkeys(found))


_OPERATORS = {
    "MatchOp.Equal": "=",
    "MatchOp.NotEqual": "!=",
    "MatchOp.Re": "=~",
    "MatchOp.NotRe": "!~",
}


def _fits(found: str, operator: str, wanted: str) -> bool:
    same = re.fullmatch(wanted, found) is not None if "~" in operator else found == wanted
    return same is not operator.startswith("!")
