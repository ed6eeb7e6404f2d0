"""What theory says of the arms, held against what was measured, with examples where it came out otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tunesmith.evaluate.causes import CAUSES, find_cause
from tunesmith.evaluate.compare import ArmFigures, Comparison, ScoredAnswer
from tunesmith.evaluate.scorers import HIGHER_IS_BETTER
from tunesmith.evaluate.wording import say_comparison, say_margin, sentence

NUM_EXAMPLES = 3
"""Examples shown where theory and measurement differ."""

MARGIN = 0.05
"""The loss that "costs no ..." rules out: with too few questions to rule it out, nothing is confirmed."""

Outcome = Literal["as expected", "no measurable difference", "cannot be told", "otherwise"]
Direction = Literal["higher", "no worse"]

_THEORY: tuple[tuple[str, str, str, str, Direction], ...] = (
    (
        "Retrieval lets the base model answer what it was never taught.",
        "answer_accuracy",
        "rag",
        "base",
        "higher",
    ),
    (
        "Retrieval lets the fine-tuned model answer what it was never taught.",
        "answer_accuracy",
        "hybrid",
        "tuned",
        "higher",
    ),
    ("Fine-tuning teaches the house form.", "form_valid", "tuned", "base", "higher"),
    ("Fine-tuning teaches the house form, with sources too.", "form_valid", "hybrid", "rag", "higher"),
    ("Schema decoding gives the house form without training.", "form_valid", "rag_schema", "rag", "higher"),
    ("Fine-tuning for the form costs no accuracy.", "answer_accuracy", "hybrid", "rag", "no worse"),
    ("Schema decoding costs no accuracy.", "answer_accuracy", "rag_schema", "rag", "no worse"),
    ("Fine-tuning for the form costs no honesty.", "abstention_correct", "hybrid", "rag", "no worse"),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A question that one arm got and the other did not.

    Attributes:
        target: the right answer, or that there is none.
        said: arm -> what it said.
        causes: arm -> why, in plain words.
    """

    question: str
    target: str
    said: Mapping[str, str]
    causes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One statement of theory and what became of it."""

    theory: str
    outcome: Outcome
    measured: str
    examples: tuple[Example, ...]


def check_expectations(
    figures: Sequence[ArmFigures], comparisons: Sequence[Comparison], scored: Sequence[ScoredAnswer]
) -> tuple[Expectation, ...]:
    """Hold theory against measurement.

    Args:
        figures: what was measured of each arm.
        comparisons: paired differences.
        scored: all answers, for examples.

    Returns:
        One expectation for each statement whose arms were measured.
    """
    pairs = {(c.metric, c.arm, c.baseline): c for c in comparisons}
    rates = {figure.arm.name: figure.rates for figure in figures}
    found = []
    for theory, metric, arm, baseline, direction in _THEORY:
        comparison = pairs.get((metric, arm, baseline))
        old, new = rates.get(baseline, {}).get(metric), rates.get(arm, {}).get(metric)
        if comparison is None or old is None or new is None:
            continue
        outcome = _outcome(comparison, direction)
        examples = () if outcome == "as expected" else _examples(comparison, scored)
        measured = sentence(say_comparison(comparison, old=old.value, new=new.value))
        if direction == "no worse" and outcome != "otherwise":
            ruled_out = outcome == "as expected"
            measured += f" {say_margin(MARGIN, num=comparison.difference.num, ruled_out=ruled_out)}"
        found.append(Expectation(theory, outcome, measured, examples))
    return tuple(found)


def _outcome(comparison: Comparison, direction: Direction) -> Outcome:
    higher_is_better = HIGHER_IS_BETTER[comparison.metric]
    gain = comparison.difference if higher_is_better else comparison.difference.turned
    if gain.high < 0:
        return "otherwise"
    if direction == "no worse":
        return "as expected" if gain.low > -MARGIN else "cannot be told"
    return "as expected" if gain.low > 0 else "no measurable difference"


def _examples(comparison: Comparison, scored: Sequence[ScoredAnswer]) -> tuple[Example, ...]:
    rows = {(row.arm.name, row.sample.id): row for row in scored}
    found = []
    for row in scored:
        other = rows[comparison.baseline, row.sample.id]
        new, old = row.scores.value(comparison.metric), other.scores.value(comparison.metric)
        if row.arm.name == comparison.arm and new is not None and old is not None and not new:
            found.append((bool(old) == bool(new), _example(row, other)))
    # Questions that only the baseline got say most about why.
    found.sort(key=lambda pair: pair[0])
    return tuple(example for _, example in found[:NUM_EXAMPLES])


def _example(row: ScoredAnswer, other: ScoredAnswer) -> Example:
    target = row.sample.answer if row.sample.answer is not None else "(the documents do not say)"
    both = (other, row)
    return Example(
        question=row.sample.question,
        target=target,
        said={each.arm.name: each.answer.text or f"(error: {each.answer.error})" for each in both},
        causes={each.arm.name: CAUSES[find_cause(each)] for each in both},
    )
