"""A training set from a corpus: question + retrieved sources -> the grounded answer in the house form.

    right source among distractors     {"answer": "27 days", "sources": [2]}
    right source left out              {"answer": null, "sources": []}
    a question nothing answers         {"answer": null, "sources": []}
    no sources at all (closed book)    {"answer": "27 days", "sources": []}

The prompt is the one of serving. The right source's place is drawn, so that its number must be read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from tunesmith.config.data import BuildDocumentsConfig
from tunesmith.datasets.jsonl import Fault, describe_faults
from tunesmith.errors import DataError
from tunesmith.rag.forms import say_house
from tunesmith.rag.prompt import build_messages
from tunesmith.records import Message, Source

Finder = Callable[[str], Sequence[Source]]
"""Retrieval: a question's sources, best first."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the training set.

    Attributes:
        text: the question.
        answer: its answer; None where the corpus does not hold it.
        evidence: the sentence that holds the answer; None where there is no answer.
    """

    text: str
    answer: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class GroundedSet:
    """The rows made, and how many of each kind.

    Attributes:
        rows: conversations, shuffled.
        counts: `grounded`, `left_out`, `unanswerable`, `closed_book`; `missed` counts answerable questions
            whose right source retrieval did not find (they get closed-book rows only).
    """

    rows: tuple[tuple[Message, ...], ...]
    counts: dict[str, int]


def load_questions(path: str | Path) -> tuple[Question, ...]:
    """Read questions.

    Args:
        path: a file, or a shipped one (`handbook/questions/train.jsonl`): JSONL with `question`, `answer`
            (null: not in the corpus) and `evidence`.

    Returns:
        The questions, in order.

    Raises:
        DataError: the file cannot be read or has bad lines; names every one.
    """
    shipped = Path(str(files("tunesmith"))) / "assets" / path
    file = shipped if shipped.is_file() and not Path(path).exists() else Path(path)
    try:
        # Only a line feed ends a line of JSONL: str.splitlines() would also cut at a U+2028 inside a string.
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}. Check --questions.") from error
    parsed = [_parse(line, str(path), number) for number, line in enumerate(lines, 1) if line.strip()]
    faults = [item for item in parsed if isinstance(item, Fault)]
    if faults or not parsed:
        raise DataError(
            describe_faults(faults) if faults else f"{path}:1: the file holds no question. Add some."
        )
    return tuple(item for item in parsed if isinstance(item, Question))


def build_rows(
    questions: Sequence[Question],
    find: Finder,
    config: BuildDocumentsConfig,
    *,
    on_question: Callable[[], None] = lambda: None,
) -> GroundedSet:
    """Make the rows of all questions; equal input makes equal rows.

    Args:
        questions: what is asked.
        find: retrieval, `config.num_hits` sources a question.
        config: shares, copies and seed.
        on_question: called after each question.

    Returns:
        The rows and their counts.
    """
    rng = random.Random(config.seed)
    counts = dict.fromkeys(("grounded", "left_out", "unanswerable", "closed_book", "missed"), 0)
    rows: list[tuple[Message, ...]] = []
    for question in questions:
        for kind, row in _rows_of(question, find(question.text), config, rng):
            counts[kind] += 1
            if row:
                rows.append(row)
        on_question()
    rng.shuffle(rows)
    return GroundedSet(tuple(rows), counts)


def holds_evidence(source: Source, evidence: str) -> bool:
    """Whether a source contains the evidence, white space apart.

    Args:
        source: a retrieved source.
        evidence: the sentence that holds the answer.

    Returns:
        True if it does.
    """
    return " ".join(evidence.split()) in " ".join(source.hit.chunk.text.split())


def _rows_of(
    question: Question, sources: Sequence[Source], config: BuildDocumentsConfig, rng: random.Random
) -> list[tuple[str, tuple[Message, ...]]]:
    right = [source for source in sources if question.evidence and holds_evidence(source, question.evidence)]
    others = [source for source in sources if source not in right]
    rows: list[tuple[str, tuple[Message, ...]]] = []
    if question.answer is not None and not right:
        rows.append(("missed", ()))
    else:
        rows += [_grounded_row(question, right, others, config, rng) for _ in range(config.copies)]
    if rng.random() < config.closed_book:
        bare = (Message("system", config.instructions), Message("user", question.text.strip()))
        answer = question.answer if config.closed_book_answers else None
        rows.append(("closed_book", (*bare, Message("assistant", say_house(answer, ())))))
    return rows


def _grounded_row(
    question: Question,
    right: Sequence[Source],
    others: Sequence[Source],
    config: BuildDocumentsConfig,
    rng: random.Random,
) -> tuple[str, tuple[Message, ...]]:
    top_k = config.retrieval.top_k
    size = rng.randint(1, max(1, top_k - 1)) if rng.random() < config.fewer_sources else top_k
    shown = bool(right) and rng.random() >= config.left_out
    chosen = [right[0]] if shown else []
    # Near hits are the distractors that serving shows, so they are drawn more often than far ones.
    pool = list(others)
    while pool and len(chosen) < size:
        chosen.append(pool.pop(min(rng.randrange(len(pool)), rng.randrange(len(pool)))))
    chosen.sort(
        key=lambda source: source.number
    )  # as a search returns them: a reader learns to look there first
    prompt = [Source(number, source.hit) for number, source in enumerate(chosen, 1)]
    numbers = tuple(source.number for source in prompt if shown and source.hit is right[0].hit)
    answer = say_house(question.answer if shown else None, numbers)
    kind = "grounded" if shown else "left_out" if right else "unanswerable"
    messages = build_messages(question.text, prompt, instructions=config.instructions)
    return kind, (*messages, Message("assistant", answer))


def _parse(line: str, path: str, number: int) -> Question | Fault:
    try:
        row: Any = json.loads(line)
    except ValueError:
        return Fault(path, number, "not valid JSON. Write one object a line.")
    if not isinstance(row, dict) or not isinstance(row.get("question"), str) or not row["question"].strip():
        return Fault(
            path, number, '"question" is missing or no text. Write {"question", "answer", "evidence"}.'
        )
    answer, evidence = row.get("answer"), row.get("evidence")
    if not isinstance(answer, str | None) or not isinstance(evidence, str | None):
        return Fault(path, number, '"answer" and "evidence" are texts, or null.')
    if answer is not None and not evidence:
        return Fault(path, number, 'an answer without "evidence". Give the sentence that holds it.')
    return Question(row["question"], answer, evidence)
