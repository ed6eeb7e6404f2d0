"""The parts of the page that show single answers: where theory failed, and every question."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.evaluate.causes import CAUSES, find_cause
from tunesmith.evaluate.compare import ScoredAnswer
from tunesmith.evaluate.expectations import Example, Expectation
from tunesmith.evaluate.markup import Html, fold, items, table, tag, text
from tunesmith.evaluate.plots import CAUSE_COLOURS
from tunesmith.evaluate.report import EvaluationReport


def render_expectations(expectations: Sequence[Expectation]) -> Html:
    """Show what theory says beside what was measured.

    Args:
        expectations: in the order shown.

    Returns:
        One article each; with examples where they differ.
    """
    return Html("".join(map(_expectation, expectations)))


def render_samples(report: EvaluationReport) -> Html:
    """Show every question with what each arm said.

    Args:
        report: the evaluation.

    Returns:
        One folded row a question; the small squares show how each arm came out.
    """
    by_sample: dict[str, list[ScoredAnswer]] = {}
    for row in report.scored:
        by_sample.setdefault(row.sample.id, []).append(row)
    note = (
        "The squares are the arms in the order of the table. Open a question to see what each of them said."
    )
    return Html(tag("p", note, class_="note") + "".join(map(_sample, by_sample.values())))


def _expectation(expectation: Expectation) -> Html:
    title = tag("h3", text(expectation.theory), " ", tag("em", expectation.outcome))
    examples = (
        [fold(text("Examples"), items(map(_example, expectation.examples)))] if expectation.examples else []
    )
    kind = expectation.outcome.replace(" ", "-")
    return tag("article", title, tag("p", text(expectation.measured)), *examples, class_=kind)


def _example(example: Example) -> Html:
    said = (
        tag("dt", text(arm)) + tag("dd", tag("code", text(words)), " ", text(example.causes[arm]))
        for arm, words in example.said.items()
    )
    return Html(f"{text(example.question)} {tag('b', text(example.target))}{tag('dl', *said)}")


def _sample(rows: Sequence[ScoredAnswer]) -> Html:
    sample = rows[0].sample
    target = "(unanswerable)" if sample.answer is None else sample.answer
    squares = tag("span", *map(_square, rows), class_="dots")
    summary = Html(f"{squares}{text(sample.question)} {tag('b', text(target))}")
    return fold(summary, table((), map(_said, rows)), class_="sample")


def _square(row: ScoredAnswer) -> Html:
    cause = find_cause(row)
    words = f"{row.arm.name}: {CAUSES[cause]}"
    return tag("i", style=f"background:{CAUSE_COLOURS[cause]}", title=words, role="img", aria_label=words)


def _said(row: ScoredAnswer) -> Html:
    words = row.answer.said if row.answer.error is None else f"(error: {row.answer.error})"
    cited = "<br>".join(
        text(f"[{each.number}] {each.document} ({each.status}): {each.text}") for each in row.answer.citations
    )
    return tag(
        "tr",
        tag("th", row.arm.name, scope="row"),
        tag("td", tag("code", text(words)), " (withheld)" if row.answer.withheld is not None else ""),
        tag("td", CAUSES[find_cause(row)]),
        tag("td", cited),
    )
