import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from tunesmith.evaluate.html import Section, render_html
from tunesmith.evaluate.markup import Html
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.run import write_report
from tunesmith.evaluate.table import render_report

KEYS = ("answer_accuracy", "form_valid", "citation_correct", "abstention_correct", "latency_p50_ms")

Simulate = Callable[..., EvaluationReport]


@pytest.fixture
def report(simulate: Simulate) -> EvaluationReport:
    return simulate(
        {
            "base": (0.05, 0.1, 0.4),
            "rag": (0.85, 0.2, 0.9),
            "rag_schema": (0.8, 1.0, 0.85),
            "tuned": (0.2, 0.97, 0.5),
            "hybrid": (0.84, 0.98, 0.9),
        }
    )


def test_the_json_has_the_keys_of_the_contract(report: EvaluationReport) -> None:
    found = json.loads(json.dumps(report.as_json()))
    assert list(found["arms"]) == ["base", "rag", "rag_schema", "tuned", "hybrid"]
    for arm in found["arms"].values():
        for key in KEYS:
            assert arm[key] is None or arm["intervals"][key][0] <= arm[key] <= arm["intervals"][key][1]
    assert found["arms"]["base"]["citation_correct"] is None
    assert found["decision"]["arm"] in found["arms"]
    assert len(found["samples"]) == 100
    assert found["samples"][0]["arms"]["rag"]["scores"]["form_valid"] in (True, False)


def test_every_answer_has_one_cause(report: EvaluationReport) -> None:
    assert all(sum(arm["causes"].values()) == 100 for arm in report.as_json()["arms"].values())


class _Checker(HTMLParser):
    """Fails on tags that do not nest."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_stands_alone(report: EvaluationReport) -> None:
    page = render_html(report, sections=[Section("Extra", Html("<p>more</p>"))])
    checker = _Checker()
    checker.feed(page)
    assert not checker.open
    assert not re.search(r"https?://|src=|<script|@import|url\((?!#)", page)
    assert page.count("<svg") == 3
    assert "<h2>Extra</h2><p>more</p>" in page
    assert report.decision.verdict in page.replace("&#x27;", "'")


def test_what_a_model_says_is_escaped(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    report = simulate({"base": (0.5, 1.0, 0.5)})
    evil = "<script>alert(1)</script>"
    object.__setattr__(report.scored[0].answer, "text", evil)
    assert evil not in render_html(report)


def test_the_terminal_shows_figures_and_a_dash(report: EvaluationReport) -> None:
    console = Console(width=160, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(render_report(report))
    shown = console.export_text()
    assert report.decision.verdict.split(":")[0] in shown
    (base,) = (line for line in shown.splitlines() if re.search(r"│ base ", line))
    assert "-" in [cell.strip() for cell in base.split("│")]


def test_the_files_lie_side_by_side(report: EvaluationReport, tmp_path: Path) -> None:
    written = write_report(report, tmp_path / "quickstart")
    assert json.loads(written.json.read_text())["name"] == "evaluation"
    assert written.html.read_text().startswith("<!doctype html>")
