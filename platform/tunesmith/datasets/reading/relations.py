"""What can be said of something: a subject, a value, and many ways to state and to ask it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Relation:
    """One thing that can be said, with its phrasings.

    Attributes:
        name: unique.
        subject: kind of the entity (`NAME_FRAMES`), or None where `subjects` lists noun phrases.
        subjects: noun phrases that can stand as the subject.
        value: kind of the value, see `ValueMaker.of`.
        statements: sentences with `{s}` and `{v}`; the last is kept for evaluation.
        questions: questions with `{s}`; the last is kept for evaluation.
    """

    name: str
    subject: str | None
    subjects: tuple[str, ...]
    value: Any
    statements: tuple[str, ...]
    questions: tuple[str, ...]

    def phrasings(self, *, held_out: bool) -> tuple[Sequence[str], Sequence[str]]:
        """Statements and questions of one side.

        Args:
            held_out: the phrasings kept for evaluation, else those for training.

        Returns:
            Statements and questions.
        """
        if held_out:
            return self.statements[-1:], self.questions[-1:]
        return self.statements[:-1], self.questions[:-1]


@cache
def load_relations() -> tuple[Relation, ...]:
    """Read every relation: the written ones, those that name a member of a category, those made of an attribute.

    Returns:
        All relations.
    """
    folder = files("tunesmith.datasets.reading") / "relations"
    written = [
        _parse(entry)
        for name in _WRITTEN
        for entry in yaml.load((folder / name).read_text(encoding="utf-8"), Loader=_LOADER)
    ]
    attributes = yaml.load((folder / "attributes.yaml").read_text(encoding="utf-8"), Loader=_LOADER)
    kinds = yaml.load((folder / "kinds.yaml").read_text(encoding="utf-8"), Loader=_LOADER)
    return (*written, *map(_kind_relation, kinds), *_attribute_relations(attributes))


def all_options(relations: Sequence[Relation]) -> tuple[str, ...]:
    """Every option of every relation with a list of values.

    Args:
        relations: the relations.

    Returns:
        The options, each once, in order.
    """
    choices = (
        r.value["options"] for r in relations if isinstance(r.value, dict) and r.value["kind"] == "choice"
    )
    return tuple(dict.fromkeys(str(option) for options in choices for option in options))


_WRITTEN = tuple(
    f"{name}.yaml"
    for name in (
        "world",
        "workplace",
        "organisations",
        "rules",
        "things",
        "staff",
        "plant",
        "office",
        "duties",
        "spans",
    )
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _parse(entry: dict[str, Any]) -> Relation:
    listed = isinstance(entry["subject"], dict)
    return Relation(
        name=entry["name"],
        subject=None if listed else entry["subject"],
        subjects=tuple(entry["subject"]["options"]) if listed else (),
        value=entry["value"],
        statements=tuple(entry["statements"]),
        questions=tuple(entry["questions"]),
    )


def _kind_relation(entry: dict[str, Any]) -> Relation:
    """Which member of a category: the question names the category, the statements do not."""
    names = (entry["kind"], *entry.get("also", ()))
    *trained, held_out = entry["questions"]
    return Relation(
        name=f"kind:{entry['kind']}",
        subject=None,
        subjects=tuple(entry["subjects"]),
        value={"kind": "choice", "options": entry["members"]},
        statements=tuple(entry["statements"]),
        questions=(
            *(text.replace("<kind>", name) for text in trained for name in names),
            held_out.replace("<kind>", entry["kind"]),
        ),
    )


def _attribute_relations(spec: dict[str, Any]) -> Iterator[Relation]:
    for group in spec["groups"]:
        for noun in group["nouns"]:
            for adjective in ("", *spec["adjectives"]):
                attribute = f"{adjective} {noun}".strip()
                yield Relation(
                    name=f"attribute:{attribute}",
                    subject="any",
                    subjects=(),
                    value=group["value"],
                    statements=tuple(frame.replace("{a}", attribute) for frame in spec["statements"]),
                    questions=tuple(frame.replace("{a}", attribute) for frame in spec["questions"]),
                )
