"""From scored answers to figures: each arm by itself, and pairs of arms on the same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.evaluate.arms import Arm
from tunesmith.evaluate.ask import ArmAnswer
from tunesmith.evaluate.intervals import Interval, bootstrap, mean, percentile, wilson
from tunesmith.evaluate.paired import compare_paired, mcnemar
from tunesmith.evaluate.samples import Sample
from tunesmith.evaluate.scorers import METRICS, Scores

MAX_ERROR_SHARE = 0.05
"""Share of failed requests above which an arm's figures say more about the platform than about the arm."""


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """An answer with its scores."""

    sample: Sample
    arm: Arm
    answer: ArmAnswer
    scores: Scores


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """What was measured of one arm.

    Attributes:
        rates: metric -> rate with its Wilson interval; None where the metric does not apply to the arm.
        latency_p50_ms: median time to the whole answer; bootstrap interval. None if nothing was answered.
        latency_p95_ms: its 95th percentile; bootstrap interval.
        prompt_tokens: mean per question; bootstrap interval.
        completion_tokens: mean per question; bootstrap interval.
        num_asked: questions asked.
        num_errors: requests that failed; they count as wrong.
    """

    arm: Arm
    rates: Mapping[str, Interval | None]
    latency_p50_ms: Interval | None
    latency_p95_ms: Interval | None
    prompt_tokens: Interval | None
    completion_tokens: Interval | None
    num_asked: int
    num_errors: int

    @property
    def trusted(self) -> bool:
        """Whether so few requests failed that the figures are those of the arm."""
        return self.num_errors <= MAX_ERROR_SHARE * self.num_asked


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired difference: `arm` minus `baseline` on the questions where both have the score.

    Attributes:
        difference: of the rates; excludes zero only if the exact McNemar test tells the arms apart.
        gained: questions where only the arm has the score.
        lost: questions where only the baseline has it.
        p_value: of the exact McNemar test.
    """

    metric: str
    arm: str
    baseline: str
    difference: Interval
    gained: int
    lost: int
    p_value: float

    @property
    def measurable(self) -> bool:
        """Whether the arms are told apart."""
        return self.difference.excludes_zero


def measure_arm(arm: Arm, scored: Sequence[ScoredAnswer], config: EvaluateConfig) -> ArmFigures:
    """Sum up one arm.

    Args:
        arm: the arm.
        scored: all answers; those of other arms are ignored.
        config: confidence, resamples, seed.

    Returns:
        Its figures.
    """
    mine = [row for row in scored if row.arm == arm]
    answered = [row.answer for row in mine if row.answer.error is None]
    latencies = [answer.latency_ms for answer in answered]
    return ArmFigures(
        arm=arm,
        rates=measure_rates(mine, METRICS, config),
        latency_p50_ms=_spread(latencies, 0.5, config),
        latency_p95_ms=_spread(latencies, 0.95, config),
        prompt_tokens=_average([answer.prompt_tokens for answer in answered], config),
        completion_tokens=_average([answer.completion_tokens for answer in answered], config),
        num_asked=len(mine),
        num_errors=len(mine) - len(answered),
    )


def measure_rates(
    rows: Sequence[ScoredAnswer], metrics: Sequence[str], config: EvaluateConfig
) -> dict[str, Interval | None]:
    """Count how often each score is given.

    Args:
        rows: answers of one arm.
        metrics: names of scores.
        config: confidence.

    Returns:
        Metric -> rate with its Wilson interval; None where no answer has the score.
    """
    return {metric: _rate(rows, metric, config) for metric in metrics}


def compare_arms(
    arms: Sequence[Arm],
    scored: Sequence[ScoredAnswer],
    config: EvaluateConfig,
    *,
    metrics: Sequence[str] = METRICS,
) -> tuple[Comparison, ...]:
    """Compare every pair of arms on every metric that both have.

    Args:
        arms: cheapest first; the cheaper one of a pair is the baseline.
        scored: all answers.
        config: confidence.
        metrics: names of scores.

    Returns:
        Paired differences with their intervals over the questions.
    """
    scores = {(row.arm.name, row.sample.id): row.scores for row in scored}
    samples = list(dict.fromkeys(row.sample.id for row in scored))
    found = []
    for baseline, arm in combinations(arms, 2):
        for metric in metrics:
            pairs = [
                (scores[arm.name, sample].value(metric), scores[baseline.name, sample].value(metric))
                for sample in samples
            ]
            both = [(new, old) for new, old in pairs if new is not None and old is not None]
            if both:
                found.append(_compare(metric, arm, baseline, both, config))
    return tuple(found)


def _compare(
    metric: str, arm: Arm, baseline: Arm, pairs: Sequence[tuple[bool, bool]], config: EvaluateConfig
) -> Comparison:
    gained = sum(new and not old for new, old in pairs)
    lost = sum(old and not new for new, old in pairs)
    return Comparison(
        metric=metric,
        arm=arm.name,
        baseline=baseline.name,
        difference=compare_paired(gained, lost, len(pairs), confidence=config.confidence),
        gained=gained,
        lost=lost,
        p_value=mcnemar(gained, lost),
    )


def _rate(rows: Sequence[ScoredAnswer], metric: str, config: EvaluateConfig) -> Interval | None:
    values = [value for row in rows if (value := row.scores.value(metric)) is not None]
    return wilson(sum(values), len(values), confidence=config.confidence) if values else None


def _average(values: Sequence[float], config: EvaluateConfig) -> Interval | None:
    if not values:
        return None
    return bootstrap(
        values, mean, confidence=config.confidence, num_resamples=config.num_resamples, seed=config.seed
    )


def _spread(values: Sequence[float], share: float, config: EvaluateConfig) -> Interval | None:
    if not values:
        return None
    return bootstrap(
        values,
        percentile(share),
        confidence=config.confidence,
        num_resamples=config.num_resamples,
        seed=config.seed,
    )
