"""Facts that training asked for, and facts that it did not, apart: is a gain more than memory?

A sample is `seen` if the training questions ask for the same fact in other words. The split is over answerable
questions only: an unanswerable one has no fact that could have been seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.evaluate.arms import Arm
from tunesmith.evaluate.compare import Comparison, ScoredAnswer, compare_arms, measure_rates
from tunesmith.evaluate.intervals import Interval

SPLIT_METRICS = ("answer_accuracy", "useful")
"""What is told apart for seen and unseen facts."""


@dataclass(frozen=True, slots=True)
class SeenGroup:
    """The answerable questions of one kind, and how the arms did on them.

    Attributes:
        num: questions.
        rates: arm -> metric -> rate; None if there is no such question.
        comparisons: paired differences of all pairs of arms on these questions.
    """

    name: Literal["seen", "unseen"]
    num: int
    rates: Mapping[str, Mapping[str, Interval | None]]
    comparisons: tuple[Comparison, ...]


def split_by_seen(
    arms: Sequence[Arm], scored: Sequence[ScoredAnswer], config: EvaluateConfig
) -> tuple[SeenGroup, SeenGroup]:
    """Measure the arms on seen and on unseen facts.

    Args:
        arms: cheapest first.
        scored: all answers.
        config: confidence.

    Returns:
        The seen questions, then the unseen ones; either may be empty.
    """
    answerable = [row for row in scored if row.sample.answerable]
    return (
        _measure("seen", [row for row in answerable if row.sample.seen], arms, config),
        _measure("unseen", [row for row in answerable if not row.sample.seen], arms, config),
    )


def _measure(
    name: Literal["seen", "unseen"],
    rows: Sequence[ScoredAnswer],
    arms: Sequence[Arm],
    config: EvaluateConfig,
) -> SeenGroup:
    return SeenGroup(
        name=name,
        num=len({row.sample.id for row in rows}),
        rates={
            arm.name: measure_rates([row for row in rows if row.arm == arm], SPLIT_METRICS, config)
            for arm in arms
        },
        comparisons=compare_arms(arms, rows, config, metrics=SPLIT_METRICS),
    )
