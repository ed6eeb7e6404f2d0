"""The part of the page that shows the arms: what was compared, what was measured, and what failed."""

from __future__ import annotations

from tunesmith.evaluate.compare import ArmFigures
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.markup import Html, table, tag, text
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.seen import SPLIT_METRICS
from tunesmith.evaluate.wording import ARM_WORDS, METRIC_WORDS, percent, say_errors

SHOWN = (
    "answer_accuracy",
    "form_valid",
    "citation_correct",
    "abstention_correct",
    "false_abstention",
    "useful",
)
"""Metrics of the table."""


def render_arms(report: EvaluationReport) -> Html:
    """Show the figures of every arm.

    Args:
        report: the evaluation.

    Returns:
        The table of arms, failed requests, and the table of seen and unseen facts.
    """
    heads = ["arm", *(METRIC_WORDS[metric] for metric in SHOWN), "p50 ms", "p95 ms", "tokens in / out"]
    note = (
        f"Below each figure its {percent(report.config.confidence)} interval. Useful: right, or rightly "
        "refused, in the house form. A dash: does not apply to the arm."
    )
    rows = (_arm(figure, report) for figure in report.figures)
    return Html(table(heads, rows) + tag("p", text(note), class_="note") + _errors(report) + _seen(report))


def _arm(figure: ArmFigures, report: EvaluationReport) -> Html:
    chosen = figure.arm.name == report.decision.arm
    mark = tag("b", "chosen") if chosen else ""
    words = tag("small", text(ARM_WORDS[figure.arm.name]))
    name = tag("th", figure.arm.name, mark, words, *_compared(figure), scope="row")
    rates = (tag("td", _rate(figure.rates[metric])) for metric in SHOWN)
    times = (tag("td", _number(each)) for each in (figure.latency_p50_ms, figure.latency_p95_ms))
    counted = (figure.prompt_tokens, figure.completion_tokens)
    tokens = " / ".join(f"{each.value:.0f}" if each else "-" for each in counted)
    return tag("tr", name, *rates, *times, tag("td", tokens), class_="chosen" if chosen else "arm")


def _compared(figure: ArmFigures) -> list[Html]:
    stores = ", ".join(figure.arm.stores) or "none"
    return [
        tag("small", "model ", tag("code", text(figure.arm.model))),
        tag("small", "vector stores: ", tag("code", text(stores)) if figure.arm.stores else stores),
    ]


def _errors(report: EvaluationReport) -> Html:
    said = " ".join(say_errors(report.figures))
    return tag("p", text(said), class_="warning") if said else tag("p", "No request failed.", class_="note")


def _seen(report: EvaluationReport) -> Html:
    if not all(group.num for group in report.groups):
        return Html("")
    heads = [
        "arm",
        *(
            f"{METRIC_WORDS[metric]}, {group.num} {group.name}"
            for group in report.groups
            for metric in SPLIT_METRICS
        ),
    ]
    rows = (_seen_row(figure.arm.name, report) for figure in report.figures)
    note = (
        "Answerable questions only. Seen: the training questions ask for the same fact in other words. A gain on seen "
        "facts alone may be memory, which the next edition of a document makes wrong."
    )
    title = tag("h3", "Facts that training asks for, and others")
    return Html(title + table(heads, rows) + tag("p", text(note), class_="note"))


def _seen_row(arm: str, report: EvaluationReport) -> Html:
    rates = (group.rates[arm][metric] for group in report.groups for metric in SPLIT_METRICS)
    return tag("tr", tag("th", arm, scope="row"), *(tag("td", _rate(rate)) for rate in rates))


def _rate(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return percent(interval.value) + tag("small", f"{100 * interval.low:.0f} to {100 * interval.high:.0f}")


def _number(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{interval.value:.0f}" + tag("small", f"{interval.low:.0f} to {interval.high:.0f}")
