"""The report as one HTML file: no script, no address, readable by a screen reader and on paper."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from tunesmith.evaluate.causes import CAUSES, count_causes
from tunesmith.evaluate.expectations import MARGIN
from tunesmith.evaluate.html_arms import render_arms
from tunesmith.evaluate.html_examples import render_expectations, render_samples
from tunesmith.evaluate.markup import Html, fold, items, table, tag, text
from tunesmith.evaluate.plots import CAUSE_COLOURS, plot_causes, plot_latency, plot_rates
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.wording import METRIC_WORDS, percent, points

PLOTTED = ("answer_accuracy", "form_valid", "citation_correct", "abstention_correct")
"""Metrics of the plot."""


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
        Section("The arms", render_arms(report)),
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
    lines = [
        "Every arm was asked the same questions through the live API, in an order drawn by seed "
        f"{config.seed}, {config.concurrency} at a time, at temperature 0, with the same instructions: "
        f"{config.instructions}",
        f"Rates: Wilson {level} intervals. Differences: paired over the questions, Tango's {level} score interval. "
        "A difference is measurable if an exact McNemar test says so; where the test cannot tell two arms apart, the "
        "interval is stretched to hold zero. Latency and tokens: percentile bootstrap, "
        f"{config.num_resamples} resamples.",
        f"That something costs nothing is confirmed only where the interval rules out a loss of {100 * MARGIN:.0f} "
        "points.",
        "Right answers and false refusals are counted over answerable questions, refusals over unanswerable "
        "ones, citations over answered answerable questions of arms with retrieval, form and usefulness "
        "over all.",
        "A useful answer is right, or a right refusal, in the house form.",
        "A citation is right if everything cited, after the platform's own check, lies in the document that "
        "answers the question and its text holds the evidence.",
        "A failed request counts as wrong; citations and false refusals leave it out.",
    ]
    return Html(items(map(text, lines)) + _differences(report))


def _differences(report: EvaluationReport) -> Html:
    rows = (
        tag(
            "tr",
            tag("td", text(METRIC_WORDS[each.metric])),
            tag("td", text(f"{each.arm} - {each.baseline}")),
            tag("td", points(each.difference)),
            tag("td", f"{each.gained} / {each.lost}"),
            tag("td", f"{each.p_value:.3f}"),
            tag("td", "yes" if each.measurable else "no"),
        )
        for each in report.comparisons
    )
    heads = ("what", "arms", "difference, interval", "gained / lost", "p", "measurable")
    return fold(text("All paired differences"), table(heads, rows))
