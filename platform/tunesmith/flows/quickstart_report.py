"""What the quickstart leaves behind: JSON, HTML, and what it prints at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tunesmith.config.home import Home
from tunesmith.evaluate.html import Section, render_html
from tunesmith.evaluate.markup import Html, table, tag, text
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.table import render_report
from tunesmith.flows.narration import ToldStep
from tunesmith.flows.updates import Said, UpdateReport
from tunesmith.stores.atomic import write_atomic

_KNOWS = {"old": "the old fact", "new": "the new fact", "refuses": "refuses", "neither": "neither"}


@dataclass(frozen=True, slots=True)
class QuickstartReport:
    """Everything that one quickstart measured.

    Attributes:
        model: the version that was trained.
        json: where the JSON lies.
        html: where the page lies.
    """

    evaluation: EvaluationReport
    update: UpdateReport
    steps: tuple[ToldStep, ...]
    model: str
    json: Path
    html: Path


def write_quickstart(
    evaluation: EvaluationReport,
    update: UpdateReport,
    *,
    steps: Sequence[ToldStep],
    model: str,
    home: Home,
) -> QuickstartReport:
    """Write `report.json` and `report.html`.

    Args:
        evaluation: the arms.
        update: the answers before and after the changed document.
        steps: what was done.
        model: the trained version.
        home: the installation.

    Returns:
        The report, with its files.

    Raises:
        StorageError: the home cannot be written.
    """
    written = QuickstartReport(
        evaluation,
        update,
        tuple(steps),
        model,
        home.quickstart / "report.json",
        home.quickstart / "report.html",
    )
    found = {
        **evaluation.as_json(),
        "model": model,
        "update": update.as_json(),
        "steps": [asdict(step) for step in steps],
    }
    sections = [Section("A document changes", _update_html(update)), Section("The steps", _steps_html(steps))]
    write_atomic(written.json, f"{json.dumps(found, indent=2, ensure_ascii=False)}\n")
    write_atomic(written.html, render_html(evaluation, sections=sections))
    return written


def render_quickstart(report: QuickstartReport) -> RenderableType:
    """Lay out what the quickstart prints at its end.

    Args:
        report: the report.

    Returns:
        The table of arms, the decision, the update, and where the report lies.
    """
    return Group(
        render_report(report.evaluation),
        "",
        _update_table(report.update),
        Text(report.update.verdict),
        "",
        Text(f"Report: {report.html}"),
        Text(f"JSON:   {report.json}"),
    )


def _update_table(update: UpdateReport) -> Table:
    shown = Table(title=f"{update.document} changed: what each arm knew, and knows", padding=(0, 0, 0, 1))
    shown.add_column("fact")
    for arm in update.arms:
        shown.add_column(arm.name, no_wrap=True)
    for each in update.updates:
        said = ((update.before[each.id, arm.name], update.after[each.id, arm.name]) for arm in update.arms)
        cells = (f"{before.knows}\n-> {after.knows}" for before, after in said)
        fact = Text.assemble(each.question, (f"\n{each.before} -> {each.after}", "bold"))
        shown.add_row(fact, *cells, end_section=True)
    return shown


def _update_html(update: UpdateReport) -> Html:
    heads = ("question", "fact before", "fact after", *(arm.name for arm in update.arms))
    rows = (
        tag(
            "tr",
            tag("td", text(each.question)),
            tag("td", text(each.before)),
            tag("td", text(each.after)),
            *(
                _cell(update.before[each.id, arm.name], update.after[each.id, arm.name])
                for arm in update.arms
            ),
        )
        for each in update.updates
    )
    return Html(tag("p", text(update.verdict)) + table(heads, rows))


def _cell(before: Said, after: Said) -> Html:
    said = (
        tag("small", text(f"{when}: {said.text}")) for when, said in (("before", before), ("after", after))
    )
    return tag("td", text(f"{_KNOWS[before.knows]} → {_KNOWS[after.knows]}"), *said)


def _steps_html(steps: Sequence[ToldStep]) -> Html:
    rows = (
        tag(
            "tr",
            tag("td", text(step.title)),
            tag("td", f"{step.seconds:.1f}"),
            tag("td", tag("code", text(step.command))),
        )
        for step in steps
    )
    return table(("step", "seconds", "the same by hand"), rows)
