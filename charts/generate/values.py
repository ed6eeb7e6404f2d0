"""values.yaml as documentation: each key with the comment above it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_KEY = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z][\w-]*):(?: |$)")
_SCHEMA = "@schema "


@dataclass(frozen=True, slots=True)
class Value:
    """One key of values.yaml.

    Attributes:
        path: where it stands, `("gateway", "replicas")`.
        description: the comment above it.
        default: what stands there.
        schema: what its `@schema` line says beyond the default.
        children: the keys below it; empty for a leaf, also where the leaf is a map or a list.
    """

    path: tuple[str, ...]
    description: str
    default: Any
    schema: dict[str, Any]
    children: list[Value] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The path as `--set` takes it."""
        return ".".join(self.path)

    def leaves(self) -> list[Value]:
        """The keys that have a value, in their order."""
        return [leaf for child in self.children for leaf in child.leaves()] if self.children else [self]


def read_values(path: Path) -> Value:
    """Read a values file with its comments.

    Args:
        path: values.yaml.

    Returns:
        The root, whose path is empty.

    Raises:
        ValueError: a key has no comment.
    """
    text = path.read_text(encoding="utf-8")
    root = Value((), "", yaml.safe_load(text), {})
    open_keys: list[tuple[int, Value]] = [(-1, root)]
    comment: list[str] = []
    closed_below: int | None = None  # the indent of a leaf that is a map: what stands deeper is its default
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip().removeprefix("#").strip())
            continue
        key = _KEY.match(line)
        indent = len(line) - len(line.lstrip())
        if key is None or (closed_below is not None and indent > closed_below):
            comment = []
            continue
        while open_keys[-1][0] >= indent:
            open_keys.pop()
        parent = open_keys[-1][1]
        value = _value(parent, key["name"], comment)
        parent.children.append(value)
        comment = []
        closed_below = (
            indent if not isinstance(value.default, dict) or value.schema or not value.default else None
        )
        open_keys.append((indent, value))
    return root


def _value(parent: Value, name: str, comment: list[str]) -> Value:
    words = [line for line in comment if line and not line.startswith(_SCHEMA)]
    annotations = [line.removeprefix(_SCHEMA) for line in comment if line.startswith(_SCHEMA)]
    path = (*parent.path, name)
    if not words:
        raise ValueError(f"{'.'.join(path)} has no comment. Say above it what it is.")
    schema = {key: value for line in annotations for key, value in yaml.safe_load(line).items()}
    return Value(path, " ".join(words), parent.default[name], schema)
