"""The report on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tunesmith.evaluate.compare import ArmFigures
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.wording import percent

COLUMNS = (
    ("right\nanswer", "answer_accuracy"),
    ("house\nform", "form_valid"),
    ("right\ncited", "citation_correct"),
    ("right\nrefusal", "abstention_correct"),
    ("false\nrefusal", "false_abstention"),
    ("\nuseful", "useful"),
)
"""Heading -> metric; narrow, so that the table fits a terminal of 80 columns."""


def render_report(report: EvaluationReport) -> RenderableType:
    """Lay the report out for a terminal.

    Args:
        report: the evaluation.

    Returns:
        The table of arms, the decision with its reasons, and what came out otherwise than theory says.
    """
    surprises = [e for e in report.expectations if e.outcome != "as expected"]
    lines: list[RenderableType] = [
        Text(report.coverage, style="dim"),
        _table(report),
        Text("Decision", style="bold"),
    ]
    lines.append(Text(report.decision.verdict))
    lines += [Text(f"- {reason}") for reason in report.decision.reasons]
    if surprises:
        lines.append(Text("Otherwise than theory says", style="bold"))
        lines += [Text(f"- {e.theory} Measured: {e.measured}") for e in surprises]
    return Group(*lines)


def _table(report: EvaluationReport) -> Table:
    level = percent(report.config.confidence)
    table = Table(
        padding=(0, 0, 0, 1),
        title=f"{report.config.name}: rate, {level} interval below it",
        caption="useful = right, or rightly refused, in the house form; - = does not apply",
    )
    table.add_column("arm", style="bold", no_wrap=True)
    for heading, _ in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("p50\nms", justify="right", no_wrap=True)
    table.add_column("tokens\nin/out", justify="right", no_wrap=True)
    for figure in report.figures:
        table.add_row(*_cells(figure, chosen=report.decision.arm), end_section=True)
    return table


def _cells(figure: ArmFigures, *, chosen: str) -> Sequence[str]:
    name = f"{figure.arm.name} *" if figure.arm.name == chosen else figure.arm.name
    tokens = (figure.prompt_tokens, figure.completion_tokens)
    return (
        name,
        *(_rate(figure.rates[metric]) for _, metric in COLUMNS),
        _milliseconds(figure.latency_p50_ms),
        "/".join(f"{each.value:.0f}" if each else "-" for each in tokens),
    )


def _rate(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{percent(interval.value)}\n{100 * interval.low:.0f}-{100 * interval.high:.0f}"


def _milliseconds(interval: Interval | None) -> str:
    return f"{interval.value:.0f}\n{interval.low:.0f}-{interval.high:.0f}" if interval else "-"
