"""An evaluation's result, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.evaluate.causes import count_causes, find_cause
from tunesmith.evaluate.compare import ArmFigures, Comparison, ScoredAnswer
from tunesmith.evaluate.decide import Decision
from tunesmith.evaluate.expectations import Expectation
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.samples import Sample
from tunesmith.evaluate.scorers import METRICS


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What an evaluation found.

    Attributes:
        num_available: questions in the file; `samples` are those that were asked.
        seconds: how long the asking took.
        created_at: Unix seconds.
    """

    config: EvaluateConfig
    samples: tuple[Sample, ...]
    num_available: int
    scored: tuple[ScoredAnswer, ...]
    figures: tuple[ArmFigures, ...]
    comparisons: tuple[Comparison, ...]
    decision: Decision
    expectations: tuple[Expectation, ...]
    seconds: float
    created_at: int

    @property
    def num_unanswerable(self) -> int:
        """Questions whose right answer is to abstain."""
        return sum(not sample.answerable for sample in self.samples)

    @property
    def coverage(self) -> str:
        """How many of the questions were asked, in words."""
        asked = f"{len(self.samples)} questions, {self.num_unanswerable} of them unanswerable"
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
                "available": self.num_available,
                "coverage": self.coverage,
            },
            "config": self.config.model_dump(mode="json"),
            "intervals": {
                "level": self.config.confidence,
                "rates": "Wilson",
                "differences": "paired percentile bootstrap over the questions",
                "latency and tokens": "percentile bootstrap",
            },
            "arms": {figure.arm.name: _arm(figure, self.scored) for figure in self.figures},
            "comparisons": [_comparison(comparison) for comparison in self.comparisons],
            "decision": asdict(self.decision),
            "expectations": [asdict(expectation) for expectation in self.expectations],
            "samples": [_sample(sample, self.scored) for sample in self.samples],
        }


def _arm(figure: ArmFigures, scored: Sequence[ScoredAnswer]) -> dict[str, Any]:
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
        "intervals": {
            name: [_round(interval.low), _round(interval.high)] if interval else None
            for name, interval in measured.items()
        },
        "num": {name: interval.num if interval else 0 for name, interval in measured.items()},
        "causes": count_causes(figure.arm, scored),
        "errors": figure.num_errors,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    difference = comparison.difference
    return {
        "metric": comparison.metric,
        "arm": comparison.arm,
        "baseline": comparison.baseline,
        "difference": _round(difference.value),
        "interval": [_round(difference.low), _round(difference.high)],
        "num": difference.num,
        "measurable": difference.excludes_zero,
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
        "scores": {metric: row.scores.value(metric) for metric in METRICS},
        "cause": find_cause(row),
        "citations": [asdict(citation) for citation in answer.citations],
        "sources": [{"number": source.number, "document": source.document} for source in answer.sources],
        "latency_ms": round(answer.latency_ms, 1),
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "error": answer.error,
    }


def _round(value: float) -> float:
    return round(value, 4)
