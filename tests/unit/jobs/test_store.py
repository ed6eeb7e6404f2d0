"""Jobs: one id for life, a rising fence, one loss curve."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.errors import ConfigError, NotFoundError, StaleAttemptError
from tunesmith.jobs.store import JobStore
from tunesmith.records import Job
from tunesmith.stores.database import Database


@pytest.fixture
def jobs(metadata: Database) -> JobStore:
    return JobStore(metadata, "default")


def _begin(jobs: JobStore, fingerprint: str = "f", *, fresh: bool = False) -> Job:
    return jobs.begin_attempt("run", fingerprint=fingerprint, config={"a": 1}, fresh=fresh)


def _steps(_job: Job, *steps: int, loss: float) -> list[dict[str, Any]]:
    return [{"type": "step", "step": step, "values": {"loss": loss}} for step in steps]


def test_job_keeps_its_id_and_its_fence_rises(jobs: JobStore) -> None:
    first, second = _begin(jobs), _begin(jobs)
    assert first.id == second.id
    assert (first.fence, second.fence) == (1, 2)
    assert [(attempt.fence, attempt.outcome) for attempt in jobs.attempts(first.id)] == [(1, None), (2, None)]


def test_other_recipe_under_the_same_name_is_refused_with_the_way_out(jobs: JobStore) -> None:
    _begin(jobs)
    with pytest.raises(ConfigError, match="--fresh"):
        _begin(jobs, "g")
    with pytest.raises(ConfigError, match="another recipe"):
        jobs.resumable("run", fingerprint="g")
    assert jobs.resumable("other", fingerprint="g") is None


def test_fresh_sets_the_old_job_aside(jobs: JobStore) -> None:
    old = _begin(jobs)
    new = _begin(jobs, "g", fresh=True)
    assert new.id != old.id
    assert (new.name, new.fence) == ("run", 1)
    aside = jobs.job(old.id)
    assert aside.name == f"run-replaced-{old.id[-6:]}"
    assert (aside.state, [attempt.outcome for attempt in jobs.attempts(old.id)]) == (
        "cancelled",
        ["cancelled"],
    )
    assert "--fresh" in str(aside.error)


def test_fresh_leaves_an_ended_job_as_it_ended(jobs: JobStore) -> None:
    old = _begin(jobs)
    jobs.set_state(old.id, old.fence, "failed", error="disk full")
    _begin(jobs, "g", fresh=True)
    assert (jobs.job(old.id).state, jobs.job(old.id).error) == ("failed", "disk full")


def test_succeeded_job_begins_no_attempt(jobs: JobStore) -> None:
    job = _begin(jobs)
    jobs.set_state(job.id, job.fence, "succeeded", model="ft:x")
    again = _begin(jobs)
    assert (again.state, again.fence, again.model) == ("succeeded", 1, "ft:x")


def test_failed_job_goes_on(jobs: JobStore) -> None:
    job = _begin(jobs)
    failed = jobs.set_state(job.id, job.fence, "failed", error="disk full")
    assert (failed.state, failed.error) == ("failed", "disk full")
    again = _begin(jobs)
    assert (again.state, again.error, again.fence) == ("running", None, 2)
    assert [attempt.outcome for attempt in jobs.attempts(job.id)] == ["failed", None]


def test_replayed_steps_replace_and_leave_no_gap(jobs: JobStore) -> None:
    first = _begin(jobs)
    jobs.take_in(first.id, first.fence, _steps(first, 1, 2, 3, loss=1.0))
    second = _begin(jobs)
    jobs.take_in(second.id, second.fence, _steps(second, 3, 4, loss=0.5))
    curve = jobs.metrics(first.id)
    assert [(step.step, step.fence, step.values["loss"]) for step in curve] == [
        (1, 1, 1.0),
        (2, 1, 1.0),
        (3, 2, 0.5),
        (4, 2, 0.5),
    ]


def test_a_step_told_twice_in_one_batch_keeps_the_later_value(jobs: JobStore) -> None:
    job = _begin(jobs)
    jobs.take_in(job.id, job.fence, [*_steps(job, 1, 2, loss=1.0), *_steps(job, 2, 3, loss=0.5)])
    assert [step.values["loss"] for step in jobs.metrics(job.id)] == [1.0, 0.5, 0.5]


def test_late_steps_of_an_earlier_attempt_fill_gaps_only(jobs: JobStore) -> None:
    zombie = _begin(jobs)
    second = _begin(jobs)
    jobs.take_in(second.id, second.fence, _steps(second, 1, 2, loss=0.5))
    third = _begin(jobs)
    jobs.take_in(third.id, third.fence, _steps(zombie, 1, 2, 3, loss=9.0), source=zombie.fence, cursor=70)
    curve = [(step.step, step.fence, step.values["loss"]) for step in jobs.metrics(third.id)]
    assert curve == [(1, 2, 0.5), (2, 2, 0.5), (3, 1, 9.0)]


def test_zombie_can_write_nothing(jobs: JobStore) -> None:
    zombie = _begin(jobs)
    jobs.take_in(zombie.id, zombie.fence, _steps(zombie, 1, loss=1.0))
    _begin(jobs)
    with pytest.raises(StaleAttemptError, match=r"Attempt 1 of .* was replaced by attempt 2"):
        jobs.take_in(zombie.id, zombie.fence, _steps(zombie, 1, 2, loss=9.0), cursor=99)
    with pytest.raises(StaleAttemptError):
        jobs.set_state(zombie.id, zombie.fence, "succeeded", model="ft:zombie")
    assert [step.values["loss"] for step in jobs.metrics(zombie.id)] == [1.0]
    assert jobs.job("run").state == "running"
    assert jobs.attempts(zombie.id)[0].events_cursor == 0


def test_cursor_is_stored_with_what_it_stands_for(jobs: JobStore) -> None:
    first = _begin(jobs)
    jobs.take_in(first.id, first.fence, _steps(first, 1, loss=1.0), cursor=40)
    second = _begin(jobs)
    jobs.take_in(
        second.id, second.fence, _steps(second, 2, loss=1.0), source=first.fence, start=40, cursor=80
    )
    assert [attempt.events_cursor for attempt in jobs.attempts(first.id)] == [80, 0]


def test_jobs_of_another_project_are_not_seen(metadata: Database) -> None:
    job = _begin(JobStore(metadata, "default"))
    other = JobStore(metadata, "acme")
    assert other.jobs() == []
    assert other.metrics(job.id) == []
    with pytest.raises(NotFoundError):
        other.job(job.id)


def test_unknown_job_is_told(jobs: JobStore) -> None:
    with pytest.raises(NotFoundError, match="jobs ls"):
        jobs.job("nothing")


def test_two_readers_of_one_file_tell_nothing_twice(jobs: JobStore) -> None:
    job = _begin(jobs)
    checkpoint = {"type": "checkpoint", "step": 1}
    jobs.take_in(job.id, job.fence, [checkpoint], start=0, cursor=10)
    jobs.take_in(job.id, job.fence, [checkpoint, *_steps(job, 2, loss=1.0)], start=0, cursor=20)
    assert jobs.attempts(job.id)[0].events_cursor == 10
    assert jobs.metrics(job.id) == []
    jobs.take_in(job.id, job.fence, _steps(job, 2, loss=1.0), start=10, cursor=20)
    assert len(jobs.metrics(job.id)) == 1


def test_progress_is_a_step_that_nobody_had_measured(jobs: JobStore) -> None:
    first = _begin(jobs)
    jobs.take_in(first.id, first.fence, _steps(first, 1, 2, loss=1.0))
    second = _begin(jobs)
    jobs.take_in(second.id, second.fence, _steps(second, 1, 2, loss=1.0))
    assert [attempt.made_progress for attempt in jobs.attempts(first.id)] == [True, False]
