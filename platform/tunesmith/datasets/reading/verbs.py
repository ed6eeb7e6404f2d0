"""Verbs with the forms that a sentence needs, and with others that mean nearly the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Verb:
    """A transitive verb.

    Attributes:
        base: `repair`.
        third: `repairs`.
        past: `repaired`.
        participle: `repaired`, as in "is repaired".
        alike: bases of verbs that a question may use instead.
    """

    base: str
    third: str
    past: str
    participle: str
    alike: tuple[str, ...] = ()

    def forms(self) -> dict[str, str]:
        """The forms by the slots of a frame."""
        return {"base": self.base, "third": self.third, "past": self.past, "part": self.participle}


def read_verbs(entries: Sequence[Sequence[Any]]) -> Mapping[str, Verb]:
    """Read verbs as the lexicon lists them.

    Args:
        entries: `[base, third, past, participle, [bases alike]]` each.

    Returns:
        The verbs by their base.
    """
    return {
        str(base): Verb(base, third, past, participle, tuple(alike))
        for base, third, past, participle, alike in entries
    }


def regular(base: str) -> Verb:
    """Inflect a word that nobody has seen.

    Args:
        base: one word.

    Returns:
        A regular verb.
    """
    past = _past(base)
    return Verb(base, _third(base), past, past)


def _past(base: str) -> str:
    if base.endswith("e"):
        return f"{base}d"
    return f"{base[:-1]}ied" if _ends_in_changing_y(base) else f"{base}ed"


def _third(base: str) -> str:
    if _ends_in_changing_y(base):
        return f"{base[:-1]}ies"
    return f"{base}es" if base.endswith(("s", "sh", "ch", "x", "z")) else f"{base}s"


def _ends_in_changing_y(base: str) -> bool:
    return base.endswith("y") and base[-2:-1] not in "aeiou"
