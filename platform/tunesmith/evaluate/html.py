"""The report as one HTML file: no script, no address, readable by a screen reader and on paper."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from tunesmith.evaluate.causes import CAUSES, count_causes
from tunesmith.evaluate.compare import ArmFigures
from tunesmith.evaluate.html_examples import render_expectations, render_samples
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.markup import Html, fold, items, table, tag, text
from tunesmith.evaluate.plots import CAUSE_COLOURS, plot_causes, plot_latency, plot_rates
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.wording import ARM_WORDS, METRIC_WORDS, percent, points

PLOTTED = ("answer_accuracy", "form_valid", "citation_correct", "abstention_correct")
SHOWN = (*PLOTTED, "false_abstention", "useful")
"""Metrics of the plot and of the table."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page."""

    title: str
    body: Html


def render_html(report: EvaluationReport, *, sections: Sequence[Section] = ()) -> str:
    """Write the page.

    Args:
        report: the evaluation.
        sections: further parts, which another flow adds; shown after the reasons.

    Returns:
        A whole HTML document.
    """
    parts = [
        Section("The arms", _arms(report)),
        Section("The pictures", _pictures(report)),
        Section("The reasons", items(map(text, report.decision.reasons))),
        *sections,
        Section("Theory and measurement", render_expectations(report.expectations)),
        Section("How it was measured", _method(report)),
        Section("Every question", render_samples(report)),
    ]
    title = f"Evaluation: {report.config.name}"
    head = tag("header", tag("h1", text(title)), _lead(report))
    body = tag("main", head, *(tag("section", tag("h2", text(part.title)), part.body) for part in parts))
    return f'<!doctype html>\n<html lang="en">{_head(title)}{tag("body", body)}</html>\n'


def _head(title: str) -> Html:
    style = (files("tunesmith.evaluate") / "report.css").read_text(encoding="utf-8")
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return tag("head", meta, tag("title", text(title)), tag("style", style))


def _lead(report: EvaluationReport) -> Html:
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(report.created_at))
    verdict = tag("div", tag("strong", "Decision"), tag("p", text(report.decision.verdict)), class_="verdict")
    return Html(tag("p", text(f"{report.coverage} {when}."), class_="meta") + verdict)


def _arms(report: EvaluationReport) -> Html:
    heads = ["arm", *(METRIC_WORDS[metric] for metric in SHOWN), "p50 ms", "p95 ms", "tokens in / out"]
    note = (
        f"Below each figure its {percent(report.config.confidence)} interval. Useful: right, or rightly "
        "refused, in the house form. A dash: does not apply to the arm."
    )
    rows = (_arm(figure, report) for figure in report.figures)
    return Html(table(heads, rows) + tag("p", text(note), class_="note"))


def _arm(figure: ArmFigures, report: EvaluationReport) -> Html:
    chosen = figure.arm.name == report.decision.arm
    mark = tag("b", "chosen") if chosen else ""
    name = tag("th", figure.arm.name, mark, tag("small", text(ARM_WORDS[figure.arm.name])), scope="row")
    rates = (tag("td", _rate(figure.rates[metric])) for metric in SHOWN)
    times = (tag("td", _number(each)) for each in (figure.latency_p50_ms, figure.latency_p95_ms))
    counted = (figure.prompt_tokens, figure.completion_tokens)
    tokens = " / ".join(f"{each.value:.0f}" if each else "-" for each in counted)
    return tag("tr", name, *rates, *times, tag("td", tokens), class_="chosen" if chosen else "arm")


def _rate(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return percent(interval.value) + tag("small", f"{100 * interval.low:.0f} to {100 * interval.high:.0f}")


def _number(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{interval.value:.0f}" + tag("small", f"{interval.low:.0f} to {interval.high:.0f}")


def _pictures(report: EvaluationReport) -> Html:
    used = {cause for figure in report.figures for cause in count_causes(figure.arm, report.scored)}
    keys = (
        Html(tag("span", style=f"background:{CAUSE_COLOURS[cause]}") + text(words))
        for cause, words in CAUSES.items()
        if cause in used
    )
    in_flight = f"Latency with {report.config.concurrency} questions in flight."
    return Html(
        _figure(plot_rates(report, PLOTTED), "Rates with intervals; the chosen arm is coloured.")
        + _figure(plot_causes(report), "What became of each question, and why.", items(keys, class_="legend"))
        + _figure(plot_latency(report), in_flight)
    )


def _figure(svg: str, caption: str, legend: str = "") -> Html:
    return tag("figure", tag("figcaption", text(caption)), legend, svg, role="group", aria_label=caption)


def _method(report: EvaluationReport) -> Html:
    config = report.config
    level = percent(config.confidence)
    failed = (each for each in report.figures if each.num_errors)
    lines = [
        "Every arm was asked the same questions through the live API, in an order drawn by seed "
        f"{config.seed}, {config.concurrency} at a time, at temperature 0, with the same instructions: "
        f"{config.instructions}",
        f"Rates: Wilson {level} intervals. Differences: paired percentile bootstrap over the questions, "
        f"{config.num_resamples} resamples. Latency and tokens: percentile bootstrap.",
        "Right answers and false refusals are counted over answerable questions, refusals over unanswerable "
        "ones, citations over answered answerable questions of arms with retrieval, form and usefulness "
        "over all.",
        "A useful answer is right, or a right refusal, in the house form.",
        "A citation is right if everything cited, after the platform's own check, lies in the document that "
        "answers the question and its text holds the evidence.",
        *(f"{each.num_errors} requests of {each.arm.name} failed; they count as wrong." for each in failed),
    ]
    return Html(items(map(text, lines)) + _differences(report))


def _differences(report: EvaluationReport) -> Html:
    rows = (
        tag(
            "tr",
            tag("td", text(METRIC_WORDS[each.metric])),
            tag("td", text(f"{each.arm} - {each.baseline}")),
            tag("td", points(each.difference)),
            tag("td", "yes" if each.difference.excludes_zero else "no"),
        )
        for each in report.comparisons
    )
    heads = ("what", "arms", "difference, interval", "measurable")
    return fold(text("All paired differences"), table(heads, rows))
