"""What the arms know before and after a document changes: the old fact, the new one, or neither."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.config.home import Home
from tunesmith.evaluate.arms import Arm, build_arms
from tunesmith.evaluate.ask import ArmAnswer
from tunesmith.evaluate.match import holds_target, is_right
from tunesmith.evaluate.run import ask_platform_all
from tunesmith.evaluate.samples import Sample
from tunesmith.rag.forms import parse_answer

Knows = Literal["old", "new", "refuses", "neither"]


@dataclass(frozen=True, slots=True)
class Update:
    """A fact that changes with a document.

    Attributes:
        before: its value in the old edition.
        after: its value in the new one.
    """

    id: str
    question: str
    before: str
    after: str
    document: str


@dataclass(frozen=True, slots=True)
class Said:
    """What an arm said, and which edition that is.

    Attributes:
        knows: the edition of the answer.
        shown: the editions of the fact that stood in the sources which the model saw; none without retrieval.
    """

    text: str
    knows: Knows
    shown: tuple[Knows, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """The answers before and after a document changed.

    Attributes:
        document: the changed document.
        before: (update id, arm) -> what was said before.
        after: the same, after the new edition was ingested.
    """

    document: str
    updates: tuple[Update, ...]
    arms: tuple[Arm, ...]
    before: Mapping[tuple[str, str], Said]
    after: Mapping[tuple[str, str], Said]

    @classmethod
    def of(
        cls,
        updates: Sequence[Update],
        config: EvaluateConfig,
        *,
        tuned: str,
        before: Mapping[tuple[str, str], Said],
        after: Mapping[tuple[str, str], Said],
    ) -> UpdateReport:
        """Put the answers of all arms together.

        Args:
            updates: the facts of one document; at least one.
            config: the arms.
            tuned: the tuned model.
            before: answers before the change, from `ask_updates`.
            after: answers after it.

        Returns:
            The report.
        """
        return cls(updates[0].document, tuple(updates), build_arms(config, tuned=tuned), before, after)

    def count(self, arm: str, knows: Knows, *, changed: bool) -> int:
        """Count what an arm knows.

        Args:
            arm: its name.
            knows: which edition.
            changed: after the change, or before it.

        Returns:
            Number of questions.
        """
        said = self.after if changed else self.before
        return sum(said[update.id, arm].knows == knows for update in self.updates)

    @property
    def verdict(self) -> str:
        """What was measured, in words: which arms know the new facts after the change."""
        num = len(self.updates)
        said = [f"{arm.name} {self.count(arm.name, 'new', changed=True)} of {num}" for arm in self.arms]
        shown = max(self.count_shown(arm.name, "new", changed=True) for arm in self.arms)
        return (
            f"After {self.document} was ingested again, without any training, retrieval showed {shown} of {num} new "
            f"facts. Answered with the new fact: {', '.join(said)}."
        )

    def count_shown(self, arm: str, edition: Knows, *, changed: bool) -> int:
        """Count how often retrieval put an edition of the fact before the model.

        Args:
            arm: its name.
            edition: `old` or `new`.
            changed: after the change, or before it.

        Returns:
            Number of questions.
        """
        said = self.after if changed else self.before
        return sum(edition in said[update.id, arm].shown for update in self.updates)

    def as_json(self) -> dict[str, Any]:
        """The report for a program.

        Returns:
            Document, verdict, and for each question and arm the two answers.
        """
        return {
            "document": self.document,
            "verdict": self.verdict,
            "known_new": {
                arm.name: {
                    "before": self.count(arm.name, "new", changed=False),
                    "after": self.count(arm.name, "new", changed=True),
                    "of": len(self.updates),
                }
                for arm in self.arms
            },
            "shown_new": {
                arm.name: {
                    "before": self.count_shown(arm.name, "new", changed=False),
                    "after": self.count_shown(arm.name, "new", changed=True),
                    "of": len(self.updates),
                }
                for arm in self.arms
            },
            "questions": [self._question(update) for update in self.updates],
        }

    def _question(self, update: Update) -> dict[str, Any]:
        return {
            "question": update.question,
            "fact_before": update.before,
            "fact_after": update.after,
            "arms": {
                arm.name: {
                    "before": _as_json(self.before[update.id, arm.name]),
                    "after": _as_json(self.after[update.id, arm.name]),
                }
                for arm in self.arms
            },
        }


def _as_json(said: Said) -> dict[str, Any]:
    return {"answer": said.text, "knows": said.knows, "shown": list(said.shown)}


def load_updates(path: Path, *, document: str) -> tuple[Update, ...]:
    """Read the facts that change with one document.

    Args:
        path: JSONL with `id`, `question`, `before`, `after`, `document`.
        document: whose facts.

    Returns:
        The updates of that document, in file order.
    """
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(
        Update(row["id"], row["question"], row["before"], row["after"], row["document"])
        for row in rows
        if row["document"] == document
    )


def ask_updates(
    updates: Sequence[Update], config: EvaluateConfig, *, tuned: str, home: Home
) -> dict[tuple[str, str], Said]:
    """Ask all arms about the facts that change.

    Args:
        updates: the facts.
        config: instructions, stores, concurrency.
        tuned: the tuned model.
        home: the installation whose platform is asked.

    Returns:
        (update id, arm) -> what was said.
    """
    samples = [Sample(update.id, update.question, update.after) for update in updates]
    arms = build_arms(config, tuned=tuned)
    answers = asyncio.run(ask_platform_all(samples, arms, config, home=home))
    by_id = {update.id: update for update in updates}
    return {(answer.sample, answer.arm): read_said(answer, by_id[answer.sample]) for answer in answers}


def read_said(answer: ArmAnswer, update: Update) -> Said:
    """Tell which editions an answer and its sources are from.

    Args:
        answer: what an arm said.
        update: the fact.

    Returns:
        The same, read.
    """
    texts = [source.text for source in answer.sources if source.document == update.document]
    shown = tuple(
        name for name, sample in _editions(update) if any(holds_target(text, sample) for text in texts)
    )
    return Said(answer.text, what_it_knows(answer.text, update), shown)


def what_it_knows(text: str, update: Update) -> Knows:
    """Tell which edition an answer is from.

    Args:
        text: the answer as generated.
        update: the fact.

    Returns:
        `old`, `new`, `refuses` or `neither`.
    """
    parsed = parse_answer(text)
    if parsed.abstained:
        return "refuses"
    for edition, sample in _editions(update):
        if parsed.answer and is_right(parsed.answer, sample):
            return edition
    return "neither"


def _editions(update: Update) -> tuple[tuple[Knows, Sample], ...]:
    old, new = (Sample(update.id, update.question, value) for value in (update.before, update.after))
    return ("new", new), ("old", old)
