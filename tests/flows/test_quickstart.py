"""The whole loop on the real engines: documents, training, serving, evaluation, a document that changes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tunesmith.config.home import Home
from tunesmith.flows.down import take_down
from tunesmith.flows.quickstart import CHANGED
from tunesmith.stores.platform_file import read_running

pytestmark = pytest.mark.flow

# Fewer steps and questions than the command takes: what is tested is that the loop closes, not how good it gets.
LIMIT_SECONDS = 900  # a third of it on a quiet machine
NUM_SAMPLES, TRAINING = 20, ("max_steps=24", "checkpoint_every_steps=12")
ARMS = ["base", "rag", "rag_schema", "tuned", "hybrid"]


@dataclass(frozen=True)
class Run:
    home: Home
    printed: str
    json: dict[str, Any]


def run_once(home: Home, num_samples: int) -> Run:
    runner = Path(__file__).with_name("quickstart_runner.py")
    command = [sys.executable, str(runner), str(home.root), str(num_samples), *TRAINING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = (home.quickstart / "report.json").read_text(encoding="utf-8")
    return Run(home, done.stdout, json.loads(written))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("quickstart"))
    yield home
    take_down(home)


@pytest.fixture(scope="module")
def run(home: Home) -> Run:
    return run_once(home, NUM_SAMPLES)


@pytest.mark.timeout(LIMIT_SECONDS + 30)
def test_the_report_holds_every_arm_and_a_decision(run: Run) -> None:
    found = run.json
    assert list(found["arms"]) == ARMS
    for name, arm in found["arms"].items():
        assert 0 <= arm["answer_accuracy"] <= 1
        assert arm["latency_p50_ms"] > 0
        assert arm["errors"] == 0
        assert (arm["citation_correct"] is None) == (name in ("base", "tuned"))
    assert found["decision"]["arm"] in ARMS
    assert found["questions"]["asked"] == NUM_SAMPLES
    assert "a draw (seed" in found["questions"]["coverage"]


def test_retrieval_answers_what_the_base_cannot_know(run: Run) -> None:
    arms = run.json["arms"]
    assert arms["base"]["answer_accuracy"] == 0
    # On all its questions it answers 60% in form nearly always; twenty move by twenty points to either side.
    for arm in ("rag", "rag_schema", "hybrid"):
        assert arms[arm]["answer_accuracy"] >= 0.35, arm
        assert arms[arm]["form_valid"] >= 0.85, arm


def test_every_citation_lies_in_a_source_that_was_shown(run: Run) -> None:
    cited = [
        (citation, row["arms"][arm]["sources"])
        for row in run.json["samples"]
        for arm in ("rag", "hybrid")
        for citation in row["arms"][arm]["citations"]
    ]
    assert cited
    for citation, sources in cited:
        assert {"number": citation["number"], "document": citation["document"]} in sources


def test_a_changed_document_is_known_to_retrieval_at_once_and_not_to_the_tuned_model(run: Run) -> None:
    update = run.json["update"]
    assert update["document"] == CHANGED
    known = update["known_new"]
    assert known["rag"]["before"] == 0
    assert known["rag"]["after"] >= 3
    assert known["tuned"]["after"] == 0
    shown = update["shown_new"]
    for arm in ("rag", "rag_schema", "hybrid"):
        assert shown[arm] == {"before": 0, "after": 5, "of": 5}, (
            "each new fact stands before the model at once"
        )
    assert shown["tuned"]["after"] == 0
    tuned = [question["arms"]["tuned"] for question in update["questions"]]
    assert all(said["before"] == said["after"] for said in tuned), (
        "no source was shown, so nothing can have changed"
    )


def test_each_step_was_told_with_its_command(run: Run) -> None:
    commands = [step["command"].split()[:2] for step in run.json["steps"]]
    verbs = ["up", "ingest", "data", "train", "ask", "evaluate"]
    assert commands[:6] == [["tunesmith", verb] for verb in verbs]
    assert all(f"$ {step['command']}" in run.printed for step in run.json["steps"])
    assert run.json["decision"]["verdict"].split(":")[0] in run.printed
    assert str(run.home.quickstart / "report.html") in run.printed.replace("\n", "")


def test_the_page_stands_beside_the_json(run: Run) -> None:
    page = (run.home.quickstart / "report.html").read_text(encoding="utf-8")
    assert "A document changes" in page
    assert run.json["model"] in page


@pytest.mark.timeout(LIMIT_SECONDS + 30)
def test_a_second_run_goes_through_and_trains_nothing_again(run: Run) -> None:
    platform = read_running(run.home)
    again = run_once(run.home, 10)
    assert again.json["model"] == run.json["model"]
    assert "trained before from the same data and recipe" in again.printed
    assert again.json["update"]["known_new"]["rag"]["before"] == 0, (
        "the document was set back to its January edition"
    )
    after = read_running(run.home)
    assert platform is not None
    assert after is not None
    assert after.instance == platform.instance, "a platform that runs is used, and stays up"
