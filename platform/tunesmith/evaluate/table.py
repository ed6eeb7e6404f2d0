"""The report on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tunesmith.evaluate.arms import describe_arms
from tunesmith.evaluate.compare import ArmFigures
from tunesmith.evaluate.expectations import Expectation
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.seen import SPLIT_METRICS
from tunesmith.evaluate.wording import METRIC_WORDS, percent, say_errors

COLUMNS = (
    ("right\nanswer", "answer_accuracy"),
    ("house\nform", "form_valid"),
    ("right\ncited", "citation_correct"),
    ("right\nrefusal", "abstention_correct"),
    ("false\nrefusal", "false_abstention"),
    ("\nuseful", "useful"),
)
"""Heading -> metric; narrow, as is the frame, so that the table fits a terminal of 80 columns."""


def render_report(report: EvaluationReport) -> RenderableType:
    """Lay the report out for a terminal.

    Args:
        report: the evaluation.

    Returns:
        What was compared, the table of arms, the decision with its reasons, and what did not come out as theory
        says.
    """
    otherwise = [each for each in report.expectations if each.outcome == "otherwise"]
    untold = [each for each in report.expectations if each.outcome not in ("as expected", "otherwise")]
    return Group(
        Text(
            "\n".join((report.coverage, *describe_arms([each.arm for each in report.figures]))), style="dim"
        ),
        _table(report),
        Text("\n".join(say_errors(report.figures)) or "No request failed."),
        *_seen(report),
        Text("Decision", style="bold"),
        Text(report.decision.verdict),
        *(Text(f"- {reason}") for reason in report.decision.reasons),
        *_expectations("Otherwise than theory says", otherwise),
        *_expectations("Neither confirmed nor refuted", untold),
    )


def _expectations(title: str, expectations: Sequence[Expectation]) -> list[RenderableType]:
    if not expectations:
        return []
    lines = (Text(f"- {each.theory} Measured: {each.measured}") for each in expectations)
    return [Text(title, style="bold"), *lines]


def _table(report: EvaluationReport) -> Table:
    level = percent(report.config.confidence)
    table = Table(
        box=box.HORIZONTALS,
        padding=0,
        title=f"{report.config.name}: rate, {level} interval below it",
        caption="useful = right, or rightly refused, in the house form; - = does not apply",
    )
    table.add_column("arm", style="bold", no_wrap=True)
    for heading, _ in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("p50\nms", justify="right", no_wrap=True)
    table.add_column("tokens\nin, out", justify="right", no_wrap=True)
    for figure in report.figures:
        table.add_row(*_cells(figure, chosen=report.decision.arm), end_section=True)
    return table


def _seen(report: EvaluationReport) -> list[RenderableType]:
    """The second, small table; where training asked for none of the facts, or for all, there is nothing to compare."""
    if not all(group.num for group in report.groups):
        return []
    table = Table(
        box=box.HORIZONTALS,
        padding=0,
        title="answerable questions: facts that training asks for (seen) and others",
    )
    table.add_column("arm", style="bold", no_wrap=True)
    for group in report.groups:
        for metric in SPLIT_METRICS:
            table.add_column(
                f"{group.name} ({group.num})\n{METRIC_WORDS[metric]}", justify="right", no_wrap=True
            )
    for figure in report.figures:
        rates = (group.rates[figure.arm.name][metric] for group in report.groups for metric in SPLIT_METRICS)
        table.add_row(figure.arm.name, *(_rate(rate, between=", ") for rate in rates))
    return [table]


def _cells(figure: ArmFigures, *, chosen: str) -> Sequence[str]:
    name = f"{figure.arm.name} *" if figure.arm.name == chosen else figure.arm.name
    tokens = (figure.prompt_tokens, figure.completion_tokens)
    return (
        name,
        *(_rate(figure.rates[metric]) for _, metric in COLUMNS),
        _milliseconds(figure.latency_p50_ms),
        "\n".join(f"{each.value:.0f}" if each else "-" for each in tokens),
    )


def _rate(interval: Interval | None, *, between: str = "\n") -> str:
    if interval is None:
        return "-"
    return f"{percent(interval.value)}{between}{100 * interval.low:.0f}-{100 * interval.high:.0f}"


def _milliseconds(interval: Interval | None) -> str:
    return f"{interval.value:.0f}\n{interval.low:.0f}-{interval.high:.0f}" if interval else "-"
