import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.config.home import Home
from tunesmith.evaluate.arms import build_arms
from tunesmith.evaluate.ask import ArmAnswer
from tunesmith.evaluate.run import judge
from tunesmith.evaluate.samples import Sample
from tunesmith.flows.narration import ToldStep
from tunesmith.flows.quickstart_report import QuickstartReport, render_quickstart, write_quickstart
from tunesmith.flows.updates import Said, Update, UpdateReport

UPDATE = Update("leave", "How many days of leave do staff get?", "27 days", "29 days", "leave.md")
STEP = ToldStep("Start <everything>", "tunesmith up", 61.2)


@pytest.fixture
def report(tmp_path: Path) -> QuickstartReport:
    config = EvaluateConfig(questions="q.jsonl", tuned="ft:x", num_resamples=100)
    arms, samples = (
        build_arms(config, tuned="ft:x"),
        [Sample("a", "How many?", "27 days"), Sample("u", "Who?", None)],
    )
    answers = [
        ArmAnswer(sample.id, arm.name, "27 days [1]", 9.0, 50, 6) for arm in arms for sample in samples
    ]
    evaluation = judge(samples, arms, answers, config, num_available=5, seconds=1.0)
    before = {("leave", arm.name): Said("27 days", "old") for arm in arms}
    after = before | {("leave", "rag"): Said("29 days <b>[1]</b>", "new")}
    update = UpdateReport.of([UPDATE], config, tuned="ft:x", before=before, after=after)
    return write_quickstart(evaluation, update, steps=[STEP], model="ft:x", home=Home(tmp_path))


def test_the_json_lies_where_others_look_for_it(report: QuickstartReport, tmp_path: Path) -> None:
    assert report.json == tmp_path / "quickstart" / "report.json"
    found = json.loads(report.json.read_text(encoding="utf-8"))
    assert {"arms", "decision", "update", "steps", "model"} <= set(found)
    assert found["update"]["known_new"]["rag"] == {"before": 0, "after": 1, "of": 1}
    assert found["steps"] == [{"title": STEP.title, "command": "tunesmith up", "seconds": 61.2}]


def test_the_page_shows_both_answers_escaped(report: QuickstartReport) -> None:
    page = report.html.read_text(encoding="utf-8")
    assert "before: 27 days" in page
    assert "after: 29 days &lt;b&gt;[1]&lt;/b&gt;" in page
    assert "Start &lt;everything&gt;" in page


def test_the_terminal_shows_decision_update_and_path(report: QuickstartReport) -> None:
    out = io.StringIO()
    Console(file=out, width=200).print(render_quickstart(report))
    shown = out.getvalue()
    assert report.evaluation.decision.verdict[:40] in shown
    assert "old" in shown
    assert "-> new" in shown
    assert "rag 1 of 1" in shown
    assert str(report.html) in shown
