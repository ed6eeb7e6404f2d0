import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from tunesmith.evaluate.html import Section, render_html
from tunesmith.evaluate.intervals import Interval
from tunesmith.evaluate.markup import Html
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.run import write_report
from tunesmith.evaluate.table import render_report

NUM_COLUMNS = 80
KEYS = ("answer_accuracy", "form_valid", "citation_correct", "abstention_correct", "latency_p50_ms")

TUNED = "ft:tiny:default:handbook:abc123"

Simulate = Callable[..., EvaluationReport]
Outcomes = Callable[..., EvaluationReport]


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


def test_the_json_names_what_was_compared(report: EvaluationReport) -> None:
    arms = report.as_json()["arms"]
    assert {name: (arm["model"], arm["stores"]) for name, arm in arms.items()} == {
        "base": ("tiny-reader", []),
        "rag": ("tiny-reader", ["documents"]),
        "rag_schema": ("tiny-reader", ["documents"]),
        "tuned": (TUNED, []),
        "hybrid": (TUNED, ["documents"]),
    }


def test_a_measurable_bound_is_not_rounded_to_zero(report: EvaluationReport) -> None:
    close = replace(report.comparisons[0], difference=Interval(0.01, 0.00003, 0.02, 100))
    (found,) = replace(report, comparisons=(close,)).as_json()["comparisons"]
    assert found["measurable"]
    assert found["interval"] == [0.00003, 0.02]


def test_seen_and_unseen_facts_stand_apart(outcomes: Outcomes) -> None:
    report = outcomes({"base": [False] * 60, "tuned": [n < 20 for n in range(60)]}, seen=range(20))
    found = report.as_json()
    assert found["questions"]["seen"] == 20
    assert "20 about facts that training asks for too (seen)" in found["questions"]["coverage"]
    tuned = found["arms"]["tuned"]
    assert (tuned["seen"]["num"], tuned["seen"]["answer_accuracy"], tuned["seen"]["useful"]) == (20, 1.0, 1.0)
    assert (tuned["unseen"]["num"], tuned["unseen"]["answer_accuracy"]) == (40, 0.0)
    assert tuned["unseen"]["intervals"]["useful"][1] < 0.1
    by_seen = {
        name: [each["measurable"] for each in pairs if each["metric"] == "answer_accuracy"]
        for name, pairs in found["comparisons_by_seen"].items()
    }
    assert by_seen == {"seen": [True], "unseen": [False]}
    assert "Facts that training asks for, and others" in render_html(report)
    assert "20 seen" in render_html(report)
    shown = print_at(report, NUM_COLUMNS)
    assert "seen (20)" in shown
    assert "unseen (40)" in shown


def test_without_seen_facts_there_is_no_second_table(report: EvaluationReport) -> None:
    assert "none about facts that training asks for too" in report.coverage
    assert "unseen (" not in print_at(report, NUM_COLUMNS)
    assert "Facts that training asks for" not in render_html(report)


def test_failed_requests_are_shown_everywhere(outcomes: Outcomes) -> None:
    report = outcomes({"base": [None] * 10 + [True] * 10})
    said = "Failed requests, counted as wrong: base 10 of 20."
    assert said in print_at(report, 160)
    assert said in render_html(report)
    arm = report.as_json()["arms"]["base"]
    assert (arm["asked"], arm["errors"], arm["trusted"]) == (20, 10, False)
    whole = outcomes({"base": [True] * 20})
    assert "No request failed." in print_at(whole, NUM_COLUMNS)
    assert "No request failed." in render_html(whole)


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


def print_at(report: EvaluationReport, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(render_report(report))
    return out.getvalue()


def test_the_terminal_shows_figures_and_a_dash(report: EvaluationReport) -> None:
    shown = print_at(report, 160)
    assert report.decision.verdict.split(":")[0] in shown
    (base,) = (line.split() for line in shown.splitlines() if line.startswith(" base "))
    assert "-" in base


def test_page_and_terminal_name_what_was_compared(report: EvaluationReport) -> None:
    shown, page = print_at(report, 160), render_html(report)
    assert "Model of base, rag, rag_schema: tiny-reader." in shown
    assert f"Model of tuned, hybrid: {TUNED}." in shown
    assert "Vector stores of base, tuned: none." in shown
    assert "Vector stores of rag, rag_schema, hybrid: documents." in shown
    assert page.count(f"<code>{TUNED}</code>") == 2
    assert page.count("vector stores: <code>documents</code>") == 3
    assert page.count("vector stores: none") == 2


def test_the_tables_fit_a_terminal(outcomes: Outcomes) -> None:
    arms = ("base", "rag", "rag_schema", "tuned", "hybrid")
    report = outcomes(dict.fromkeys(arms, [True] * 120), seen=range(60))
    slow = Interval(12345.0, 11111.0, 22222.0, 120)
    figures = tuple(
        replace(each, latency_p50_ms=slow, prompt_tokens=replace(slow, value=2048.0))
        for each in report.figures
    )
    report = replace(report, figures=figures)
    shown = print_at(report, NUM_COLUMNS)
    assert "rag_schema" in shown
    assert "…" not in shown, "nothing is cut"
    assert all(len(line) <= NUM_COLUMNS for line in shown.splitlines())


def test_what_cannot_be_told_is_not_called_a_contradiction(outcomes: Outcomes) -> None:
    shown = print_at(outcomes({"rag": [True] * 10, "hybrid": [True] * 10}), 160)
    assert "Otherwise than theory says" not in shown
    assert "Neither confirmed nor refuted" in shown
    worse = print_at(outcomes({"rag": [True] * 10, "hybrid": [False] * 10}), 160)
    assert "Otherwise than theory says\n- Fine-tuning for the form costs no accuracy." in worse


def test_the_files_lie_side_by_side(report: EvaluationReport, tmp_path: Path) -> None:
    written = write_report(report, tmp_path / "quickstart")
    assert json.loads(written.json.read_text())["name"] == "evaluation"
    assert written.html.read_text().startswith("<!doctype html>")
