"""Question files of the handbook: the split in train and evaluation, and the updates.

The split is drawn from a seeded hash of each fact's id, so that a new fact
never moves an old one from one side to the other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tunesmith.assets.handbook.source import Document, Fact, Handbook

SEED = "halden-1887"
TRAIN_SHARE = 0.45
EVALUATION_SHARE = 0.35
SECOND_WORDING_SHARE = 0.5


@dataclass(frozen=True)
class Question:
    """One row of `train.jsonl` or `evaluation.jsonl`.

    Attributes:
        id: Name of the row, unique over both files.
        question: The question.
        answer: The answer in the January edition, or None when there is none.
        accepted: Other forms of the answer that count as right.
        document: Path of the document that answers it, or None.
        evidence: The sentence that answers it, or None.
        fact: Id of the fact, or None.
        seen: On an evaluation row, whether train asks for the same fact in other words.
    """

    id: str
    question: str
    answer: str | None
    accepted: tuple[str, ...]
    document: str | None
    evidence: str | None
    fact: str | None
    seen: bool


@dataclass(frozen=True)
class Update:
    """One row of `updates.jsonl`: a question whose answer changes in July.

    Attributes:
        id: Id of the fact.
        question: The question.
        before: The answer in the January edition.
        after: The answer in the July edition.
        document: Path of the document in both editions.
    """

    id: str
    question: str
    before: str
    after: str
    document: str


@dataclass(frozen=True)
class Split:
    """The questions of both sides, in source order."""

    train: tuple[Question, ...]
    evaluation: tuple[Question, ...]


def split_questions(handbook: Handbook) -> Split:
    """Share the questions of the handbook between train and evaluation.

    Args:
        handbook: The handbook to ask about.

    Returns:
        The rows of both files: answerable ones first, then unanswerable ones.
    """
    train: list[Question] = []
    evaluation: list[Question] = []
    for document in handbook.documents:
        for fact in document.facts:
            for_train, for_evaluation = _assign_wordings(fact)
            seen = bool(for_train)
            train += [_answerable(document, fact, wording, seen=False) for wording in for_train]
            evaluation += [_answerable(document, fact, wording, seen=seen) for wording in for_evaluation]
    unanswerable = _split_unanswerable(handbook)
    return Split((*train, *unanswerable.train), (*evaluation, *unanswerable.evaluation))


def list_updates(handbook: Handbook) -> tuple[Update, ...]:
    """List the facts whose answer changes between the editions.

    Args:
        handbook: The handbook to compare.

    Returns:
        One row per revised fact, in source order, asked in its first wording.
    """
    return tuple(
        Update(fact.id, fact.questions[0], fact.answer, fact.revised.answer, document.path)
        for document in handbook.documents
        for fact in document.facts
        if fact.revised
    )


def _draw(purpose: str, key: str) -> float:
    """Draw a number in [0, 1) that depends on the seed, the purpose and the key alone."""
    digest = hashlib.sha256(f"{SEED}:{purpose}:{key}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _assign_wordings(fact: Fact) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose which wordings of a fact go to train and which to evaluation."""
    side = _draw("side", fact.id)
    first = int(_draw("wording", fact.id) < 0.5)
    if side < TRAIN_SHARE:
        return (0, 1), ()
    if side >= TRAIN_SHARE + EVALUATION_SHARE:
        return (first,), (1 - first,)
    if _draw("second", fact.id) < SECOND_WORDING_SHARE:
        return (), (0, 1)
    return (), (first,)


def _answerable(document: Document, fact: Fact, wording: int, *, seen: bool) -> Question:
    return Question(
        id=f"{fact.id}-{wording + 1}",
        question=fact.questions[wording],
        answer=fact.answer,
        accepted=fact.accepted,
        document=document.path,
        evidence=fact.text,
        fact=fact.id,
        seen=seen,
    )


def _split_unanswerable(handbook: Handbook) -> Split:
    rows = [
        Question(f"unanswerable-{number:03}", text, None, (), None, None, None, seen=False)
        for number, text in enumerate(handbook.unanswerable, start=1)
    ]
    shuffled = sorted(rows, key=lambda row: _draw("unanswerable", row.question))
    chosen = {row.id for row in shuffled[: len(rows) // 2]}
    return Split(
        train=tuple(row for row in rows if row.id in chosen),
        evaluation=tuple(row for row in rows if row.id not in chosen),
    )
