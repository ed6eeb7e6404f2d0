"""An evaluation's result, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.evaluate.causes import count_causes, find_cause
from tunesmith.evaluate.compare import ArmFigures, Comparison, ScoredAnswer
from tunesmith.evaluate.decide import Decision
from tunesmith.evaluate.expectations import MARGIN, Expectation
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.samples import Sample
from tunesmith.evaluate.scorers import METRICS
from tunesmith.evaluate.seen import SPLIT_METRICS, SeenGroup


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What an evaluation found.

    Attributes:
        num_available: questions in the file; `samples` are those that were asked.
        groups: the answerable questions about seen and about unseen facts.
        seconds: how long the asking took.
        created_at: Unix seconds.
    """

    config: EvaluateConfig
    samples: tuple[Sample, ...]
    num_available: int
    scored: tuple[ScoredAnswer, ...]
    figures: tuple[ArmFigures, ...]
    comparisons: tuple[Comparison, ...]
    groups: tuple[SeenGroup, ...]
    decision: Decision
    expectations: tuple[Expectation, ...]
    seconds: float
    created_at: int

    @property
    def num_unanswerable(self) -> int:
        """Questions whose right answer is to abstain."""
        return sum(not sample.answerable for sample in self.samples)

    @property
    def num_seen(self) -> int:
        """Questions about facts that the training questions ask for in other words."""
        return sum(sample.seen for sample in self.samples)

    @property
    def coverage(self) -> str:
        """How many of the questions were asked, in words."""
        asked = (
            f"{len(self.samples)} questions, {self.num_unanswerable} of them unanswerable, "
            f"{self.num_seen or 'none'} about facts that training asks for too (seen)"
        )
        if len(self.samples) == self.num_available:
            return f"All {asked}."
        return (
            f"{asked}: a draw (seed {self.config.seed}) from {self.num_available}. "
            "With fewer questions the intervals are wider, and smaller differences stay unseen."
        )

    def as_json(self) -> dict[str, Any]:
        """The report as JSON: `arms`, `comparisons`, `decision`, `expectations`, `samples`.

        Returns:
            Plain JSON values; null where a metric does not apply to an arm.
        """
        return {
            "name": self.config.name,
            "created_at": self.created_at,
            "seconds": round(self.seconds, 1),
            "questions": {
                "file": self.config.questions,
                "asked": len(self.samples),
                "unanswerable": self.num_unanswerable,
                "seen": self.num_seen,
                "available": self.num_available,
                "coverage": self.coverage,
            },
            "config": self.config.model_dump(mode="json"),
            "intervals": {
                "level": self.config.confidence,
                "rates": "Wilson",
                "differences": "paired: Tango's score, held against an exact McNemar test",
                "margin of no worse": MARGIN,
                "latency and tokens": "percentile bootstrap",
            },
            "arms": {figure.arm.name: _arm(figure, self) for figure in self.figures},
            "comparisons": [_comparison(comparison) for comparison in self.comparisons],
            "comparisons_by_seen": {
                group.name: [_comparison(comparison) for comparison in group.comparisons]
                for group in self.groups
            },
            "decision": asdict(self.decision),
            "expectations": [asdict(expectation) for expectation in self.expectations],
            "samples": [_sample(sample, self.scored) for sample in self.samples],
        }


def _arm(figure: ArmFigures, report: EvaluationReport) -> dict[str, Any]:
    measured: dict[str, Interval | None] = {
        **figure.rates,
        "latency_p50_ms": figure.latency_p50_ms,
        "latency_p95_ms": figure.latency_p95_ms,
        "prompt_tokens": figure.prompt_tokens,
        "completion_tokens": figure.completion_tokens,
    }
    return {
        "model": figure.arm.model,
        "stores": list(figure.arm.stores),
        "schema": figure.arm.schema,
        **{name: _round(interval.value) if interval else None for name, interval in measured.items()},
        "intervals": {name: _bounds(interval) for name, interval in measured.items()},
        "num": {name: interval.num if interval else 0 for name, interval in measured.items()},
        **{group.name: _seen(group, figure.arm.name) for group in report.groups},
        "causes": count_causes(figure.arm, report.scored),
        "asked": figure.num_asked,
        "errors": figure.num_errors,
        "trusted": figure.trusted,
    }


def _seen(group: SeenGroup, arm: str) -> dict[str, Any]:
    rates = {metric: group.rates[arm][metric] for metric in SPLIT_METRICS}
    return {
        "num": group.num,
        **{metric: _round(rate.value) if rate else None for metric, rate in rates.items()},
        "intervals": {metric: _bounds(rate) for metric, rate in rates.items()},
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    difference = comparison.difference
    return {
        "metric": comparison.metric,
        "arm": comparison.arm,
        "baseline": comparison.baseline,
        "difference": _round(difference.value),
        "interval": _bounds(difference),
        "num": difference.num,
        "gained": comparison.gained,
        "lost": comparison.lost,
        "p_value": _round(comparison.p_value),
        "measurable": comparison.measurable,
    }


def _sample(sample: Sample, scored: Sequence[ScoredAnswer]) -> dict[str, Any]:
    rows = [row for row in scored if row.sample == sample]
    return {
        "id": sample.id,
        "question": sample.question,
        "answer": sample.answer,
        "document": sample.document,
        "seen": sample.seen,
        "arms": {row.arm.name: _answer(row) for row in rows},
    }


def _answer(row: ScoredAnswer) -> Mapping[str, Any]:
    answer = row.answer
    return {
        "text": answer.text,
        "withheld": answer.withheld,
        "scores": {metric: row.scores.value(metric) for metric in METRICS},
        "cause": find_cause(row),
        "citations": [asdict(citation) for citation in answer.citations],
        "sources": [{"number": source.number, "document": source.document} for source in answer.sources],
        "latency_ms": round(answer.latency_ms, 1),
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "error": answer.error,
    }


def _bounds(interval: Interval | None) -> list[float] | None:
    return [_round(interval.low), _round(interval.high)] if interval else None


def _round(value: float) -> float:
    # A bound that is not zero does not become zero: that would read as "not measurable".
    return round(value, 4) or value
