"""`tunesmith jobs`: what a person and a program see of a job."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.config.home import Home
from tunesmith.jobs.folders import attempt_folder, job_folder, lock_folder
from tunesmith.jobs.lock import hold_name
from tunesmith.jobs.requests import JobRequests, new_job_id
from tunesmith.jobs.store import JobStore
from tunesmith.records import Job
from tunesmith.stores.database import open_home_database

VALUES = {"loss": 1.5, "tokens_per_second": 10.0}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def job(home: Home) -> Job:
    jobs = JobStore(open_home_database(home), "default")
    made = jobs.begin_attempt("run", fingerprint="f", config={"name": "run"})
    jobs.take_in(made.id, made.fence, [{"type": "step", "step": step, "values": VALUES} for step in (1, 2)])
    return jobs.set_state(made.id, made.fence, "failed", error="disk full")


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["jobs", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_ls(home: Home, job: Job) -> None:
    header, line = _run("ls", "--home", str(home.root)).splitlines()
    assert header.split() == ["NAME", "STATE", "STEP", "LOSS", "CREATED", "MODEL", "OR", "JOB"]
    assert line.split()[:4] == ["run", "failed", "2", "1.5000"]
    assert line.endswith(job.id)
    (listed,) = json.loads(_run("ls", "--home", str(home.root), "--json"))
    assert listed["attempts"] == [{"attempt": 1, "outcome": "failed"}]


def test_show(home: Home, job: Job) -> None:
    assert "error: disk full" in _run("show", "run", "--home", str(home.root))
    shown = json.loads(_run("show", job.id, "--home", str(home.root), "--json"))
    assert shown["metrics"] == [{"step": step, "attempt": 1, **VALUES} for step in (1, 2)]


def test_logs(home: Home, job: Job) -> None:
    folder = attempt_folder(job_folder(home, job), 1)
    folder.mkdir(parents=True)
    for rank in (0, 10, 2):
        (folder / f"worker-{rank}.log").write_text(f"first\nlast of {rank}\n", encoding="utf-8")
    printed = _run("logs", "run", "--tail", "1", "--home", str(home.root)).splitlines()
    assert printed[1::2] == ["last of 0", "last of 2", "last of 10"]


def test_job_whose_driver_was_killed_says_so(home: Home, job: Job) -> None:
    jobs = JobStore(open_home_database(home), "default")
    jobs.begin_attempt("run", fingerprint="f", config={"name": "run"})
    with hold_name(lock_folder(home), "run"):
        assert _run("ls", "--home", str(home.root)).splitlines()[1].split()[:3] == ["run", "running", "2"]
        assert json.loads(_run("show", "run", "--home", str(home.root), "--json"))["abandoned"] is False
    assert "running (no driver)" in _run("ls", "--home", str(home.root))
    assert "No process of this machine drives it" in _run("show", "run", "--home", str(home.root))
    shown = json.loads(_run("show", "run", "--home", str(home.root), "--json"))
    assert (shown["state"], shown["abandoned"]) == ("running", True)


def test_curve_with_a_number_that_is_none_stays_valid_json(home: Home, job: Job) -> None:
    jobs = JobStore(open_home_database(home), "default")
    again = jobs.begin_attempt("run", fingerprint="f", config={"name": "run"})
    values = {**VALUES, "grad_norm": math.nan}
    jobs.take_in(again.id, again.fence, [{"type": "step", "step": 3, "values": values}])
    printed = _run("show", "run", "--home", str(home.root), "--json")
    shown = json.loads(printed, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert shown["metrics"][-1]["grad_norm"] is None


def test_a_job_of_the_api_is_paused_resumed_and_cancelled(home: Home) -> None:
    jobs = JobRequests(open_home_database(home), "default")
    made = jobs.submit(new_job_id(), request={"model": "m"}, config={})
    place = ("--home", str(home.root))
    assert "paused is wanted" in _run("pause", made.id, *place)
    assert _run("cancel", made.id, *place).split() == [made.id, "cancelled"]
    result = CliRunner().invoke(app, ["jobs", "resume", made.id, *place])
    assert result.exit_code == 1
    assert "cannot be resumed any more" in str(result.exception)


def test_a_run_of_the_command_line_is_told_how_it_is_ended(home: Home, job: Job) -> None:
    result = CliRunner().invoke(app, ["jobs", "cancel", job.name, "--home", str(home.root)])
    assert result.exit_code == 1
    assert "Ctrl-C" in str(result.exception)
