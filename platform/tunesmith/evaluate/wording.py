"""Figures in plain words; one place, so that terminal, HTML and JSON say the same."""

from __future__ import annotations

from tunesmith.evaluate.compare import Comparison
from tunesmith.evaluate.intervals import Interval

ARM_WORDS = {
    "base": "the base model alone",
    "rag": "retrieval",
    "rag_schema": "retrieval with JSON-schema decoding",
    "tuned": "the fine-tuned model alone",
    "hybrid": "retrieval with the fine-tuned model",
}
METRIC_WORDS = {
    "answer_accuracy": "right answers",
    "form_valid": "valid house form",
    "citation_correct": "right citations",
    "own_number_correct": "right source numbers by the model itself",
    "abstention_correct": "right refusals",
    "false_abstention": "false refusals",
    "useful": "useful answers",
}


def percent(value: float) -> str:
    """Write a rate.

    Args:
        value: 0 to 1.

    Returns:
        Such as `84%`.
    """
    return f"{100 * value:.0f}%"


def points(interval: Interval) -> str:
    """Write a difference of rates with its interval.

    Args:
        interval: the difference.

    Returns:
        Such as `+23 points, 15 to 31`.
    """
    value, low, high = (100 * bound for bound in (interval.value, interval.low, interval.high))
    return f"{value:+.0f} points, {low:.0f} to {high:.0f}".replace("-0 ", "0 ").replace("+0 ", "0 ")


def say_comparison(comparison: Comparison, *, old: float, new: float) -> str:
    """Say what was measured of a pair of arms.

    Args:
        comparison: the paired difference.
        old: the baseline's rate.
        new: the arm's rate.

    Returns:
        One sentence without its full stop.
    """
    what = METRIC_WORDS[comparison.metric]
    if not comparison.difference.excludes_zero:
        return (
            f"no measurable difference in {what} between {comparison.arm} ({percent(new)}) and "
            f"{comparison.baseline} ({percent(old)}; {points(comparison.difference)})"
        )
    verb = "raises" if comparison.difference.value > 0 else "lowers"
    return (
        f"{comparison.arm} {verb} {what} against {comparison.baseline} from {percent(old)} to {percent(new)} "
        f"({points(comparison.difference)})"
    )


def sentence(words: str) -> str:
    """Make a sentence; names of arms keep their lower case.

    Args:
        words: without a full stop.

    Returns:
        With one.
    """
    return f"{'No' + words[2:] if words.startswith('no ') else words}."
