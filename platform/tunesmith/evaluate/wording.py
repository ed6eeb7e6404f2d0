"""Figures in plain words; one place, so that terminal, HTML and JSON say the same."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.evaluate.compare import MAX_ERROR_SHARE, ArmFigures, Comparison
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

_MAX_PLACES = 4


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
        Such as `+23 points, 15 to 31`; a figure that is not zero is never written as zero.
    """
    value, low, high = (100 * bound for bound in (interval.value, interval.low, interval.high))
    return f"{_write(value, sign='+')} points, {_write(low)} to {_write(high)}"


def _write(value: float, *, sign: str = "") -> str:
    places = next((places for places in range(_MAX_PLACES + 1) if round(value, places)), None)
    return "0" if places is None else f"{value:{sign}.{places}f}"


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
    if not comparison.measurable:
        return (
            f"no measurable difference in {what} between {comparison.arm} ({percent(new)}) and "
            f"{comparison.baseline} ({percent(old)}; {points(comparison.difference)})"
        )
    verb = "raises" if comparison.difference.value > 0 else "lowers"
    return (
        f"{comparison.arm} {verb} {what} against {comparison.baseline} from {percent(old)} to {percent(new)} "
        f"({points(comparison.difference)})"
    )


def say_errors(figures: Sequence[ArmFigures]) -> list[str]:
    """Say which requests failed, and whose figures they spoil.

    Args:
        figures: what was measured of each arm.

    Returns:
        Sentences; none if every request was answered.
    """
    failed = [f"{each.arm.name} {each.num_errors} of {each.num_asked}" for each in figures if each.num_errors]
    spoilt = [each.arm.name for each in figures if not each.trusted]
    said = [f"Failed requests, counted as wrong: {', '.join(failed)}."] if failed else []
    if spoilt:
        said.append(
            f"More than {percent(MAX_ERROR_SHARE)} of the requests failed: the figures of "
            f"{' and '.join(spoilt)} are not to be trusted."
        )
    return said


def say_margin(margin: float, *, num: int, ruled_out: bool) -> str:
    """Say whether an arm is known to be no worse than another.

    Args:
        margin: the loss in question, as a rate.
        num: questions.
        ruled_out: whether the interval rules the loss out.

    Returns:
        A sentence.
    """
    loss = f"a loss of {100 * margin:.0f} points"
    if ruled_out:
        return f"With {num} questions {loss} is ruled out."
    return f"Whether there is {loss} or more cannot be told with {num} questions."


def sentence(words: str) -> str:
    """Make a sentence; names of arms keep their lower case.

    Args:
        words: without a full stop.

    Returns:
        With one.
    """
    return f"{'No' + words[2:] if words.startswith('no ') else words}."
