"""Events become one loss curve, whatever was killed when."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import StaleAttemptError
from tunesmith.jobs.events import append_event
from tunesmith.jobs.folders import attempt_folder
from tunesmith.jobs.store import JobStore
from tunesmith.records import Job
from tunesmith.stores.database import open_home_database
from tunesmith.train.follow import Follower


class Listener:
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []

    def event(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)


@pytest.fixture
def jobs(tmp_path: Path) -> JobStore:
    return JobStore(open_home_database(Home(tmp_path / "home")), "default")


def _tell(folder: Path, job: Job, *steps: int, loss: float) -> None:
    attempt_folder(folder, job.fence).mkdir(parents=True, exist_ok=True)
    for step in steps:
        append_event(
            attempt_folder(folder, job.fence) / "events.jsonl", "step", step=step, values={"loss": loss}
        )


def _begin(jobs: JobStore) -> Job:
    return jobs.begin_attempt("run", fingerprint="f", config={})


def test_killed_driver_leaves_no_gap(jobs: JobStore, tmp_path: Path) -> None:
    first = _begin(jobs)
    _tell(tmp_path, first, 1, 2, loss=1.0)
    Follower(jobs, first, tmp_path, Listener()).take_in()
    _tell(tmp_path, first, 3, 4, 5, loss=1.0)  # told, but the driver was dead
    second = _begin(jobs)
    follower = Follower(jobs, second, tmp_path, Listener())
    follower.take_in_earlier()
    _tell(tmp_path, second, 4, 5, 6, loss=0.5)  # gone on from the checkpoint at step 3
    follower.take_in()
    curve = [(step.step, step.values["loss"]) for step in jobs.metrics(first.id)]
    assert curve == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 0.5), (5, 0.5), (6, 0.5)]


def test_events_are_shown_once(jobs: JobStore, tmp_path: Path) -> None:
    job, listener = _begin(jobs), Listener()
    follower = Follower(jobs, job, tmp_path, listener)
    _tell(tmp_path, job, 1, loss=1.0)
    assert follower.take_in() is None
    _tell(tmp_path, job, 2, loss=1.0)
    follower.take_in()
    follower.take_in()
    assert [event["step"] for event in listener.events] == [1, 2]


def test_failure_is_handed_on(jobs: JobStore, tmp_path: Path) -> None:
    job = _begin(jobs)
    _tell(tmp_path, job, 1, loss=1.0)
    file = attempt_folder(tmp_path, job.fence) / "events.jsonl"
    append_event(file, "failed", error="StorageError", message="disk full")
    failed = Follower(jobs, job, tmp_path, Listener()).take_in()
    assert failed is not None
    assert failed["message"] == "disk full"
    assert len(jobs.metrics(job.id)) == 1


def test_zombie_driver_is_stopped(jobs: JobStore, tmp_path: Path) -> None:
    zombie = _begin(jobs)
    _tell(tmp_path, zombie, 1, loss=1.0)
    _begin(jobs)
    with pytest.raises(StaleAttemptError):
        Follower(jobs, zombie, tmp_path, Listener()).take_in()
    assert jobs.metrics(zombie.id) == []


def test_late_lines_of_a_zombie_change_no_step_of_its_successor(jobs: JobStore, tmp_path: Path) -> None:
    zombie = _begin(jobs)
    second = _begin(jobs)
    _tell(tmp_path, second, 1, 2, 3, loss=0.5)
    Follower(jobs, second, tmp_path, Listener()).take_in()
    _tell(tmp_path, zombie, 2, 3, 4, loss=9.0)
    third = _begin(jobs)
    Follower(jobs, third, tmp_path, Listener()).take_in_earlier()
    curve = [(step.step, step.fence, step.values["loss"]) for step in jobs.metrics(third.id)]
    assert curve == [(1, 2, 0.5), (2, 2, 0.5), (3, 2, 0.5), (4, 1, 9.0)]
