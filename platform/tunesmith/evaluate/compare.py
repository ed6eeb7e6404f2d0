"""From scored answers to figures: each arm by itself, and pairs of arms on the same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.evaluate.arms import Arm
from tunesmith.evaluate.ask import ArmAnswer
from tunesmith.evaluate.intervals import Interval, bootstrap, mean, percentile, wilson
from tunesmith.evaluate.samples import Sample
from tunesmith.evaluate.scorers import METRICS, Scores


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
        num_errors: requests that the platform refused; they count as wrong.
    """

    arm: Arm
    rates: Mapping[str, Interval | None]
    latency_p50_ms: Interval | None
    latency_p95_ms: Interval | None
    prompt_tokens: Interval | None
    completion_tokens: Interval | None
    num_errors: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired difference: `arm` minus `baseline` on the questions where both have the score."""

    metric: str
    arm: str
    baseline: str
    difference: Interval


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
        rates={metric: _rate(mine, metric, config) for metric in METRICS},
        latency_p50_ms=_spread(latencies, 0.5, config),
        latency_p95_ms=_spread(latencies, 0.95, config),
        prompt_tokens=_average([answer.prompt_tokens for answer in answered], config),
        completion_tokens=_average([answer.completion_tokens for answer in answered], config),
        num_errors=len(mine) - len(answered),
    )


def compare_arms(
    arms: Sequence[Arm], scored: Sequence[ScoredAnswer], config: EvaluateConfig
) -> tuple[Comparison, ...]:
    """Compare every pair of arms on every metric that both have.

    Args:
        arms: cheapest first; the cheaper one of a pair is the baseline.
        scored: all answers.
        config: confidence, resamples, seed.

    Returns:
        Paired differences with bootstrap intervals over the questions.
    """
    scores = {(row.arm.name, row.sample.id): row.scores for row in scored}
    samples = list(dict.fromkeys(row.sample.id for row in scored))
    found = []
    for baseline, arm in combinations(arms, 2):
        for metric in METRICS:
            pairs = (
                (scores[arm.name, s].value(metric), scores[baseline.name, s].value(metric)) for s in samples
            )
            differences = [
                float(new) - float(old) for new, old in pairs if new is not None and old is not None
            ]
            interval = _average(differences, config)
            if interval:
                found.append(Comparison(metric, arm.name, baseline.name, interval))
    return tuple(found)


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
