"""What must be true of a job whose life was cut into: not lost, not doubled, not stuck, and nothing left over."""

from __future__ import annotations

import csv
import time

from live_platform import LivePlatform
from moments import EVERY_STEPS, NUM_STEPS, Life
from owner import Owner
from victims import attempt_processes, writers

from tunesmith.jobs.folders import job_folder, lock_folder
from tunesmith.jobs.lock import is_held
from tunesmith.records import DEFAULT_PROJECT, Job
from tunesmith.stores.registry import Registry

_STEPS = list(range(1, NUM_STEPS + 1))
_TOLD_ONCE = (
    "Files validated, moving job to queued state",
    "New fine-tuned model created: {model}",
    "The job has successfully completed",
)
_SECONDS_TO_LEAVE = 30


def require_whole(platform: LivePlatform, owner: Owner, life: Life) -> None:
    """Follow the job to its end, and look at all that it left."""
    status = owner.follow()
    job = life.job()
    assert (status, job.state) == ("succeeded", "succeeded"), (job.error, owner.messages()[-5:])
    assert owner.jobs() == [owner.job_id]
    _require_told_once(owner, job)
    _require_kept_once(owner, life, job)
    assert job.model in owner.models()
    assert owner.say(str(job.model))
    _require_nothing_left(platform, life, job)


def _require_told_once(owner: Owner, job: Job) -> None:
    numbers = [int(event["id"].rpartition("-")[2]) for event in owner.events]
    assert numbers == list(range(1, len(numbers) + 1)), numbers
    steps = [event["data"]["step"] for event in owner.events if event["type"] == "metrics"]
    assert steps == _STEPS, steps
    messages = owner.messages()
    for message in _TOLD_ONCE:
        assert messages.count(message.format(model=job.model)) == 1, messages
    assert messages[-1] == _TOLD_ONCE[-1], messages


def _require_kept_once(owner: Owner, life: Life, job: Job) -> None:
    curve = life.jobs.metrics(job.id)
    assert [metric.step for metric in curve] == _STEPS
    outcomes = [attempt.outcome for attempt in life.jobs.attempts(job.id)]
    assert outcomes[-1] == "succeeded", outcomes
    assert set(outcomes[:-1]) <= {"gone", "waits"}, outcomes
    versions = [
        each for each in Registry(life.database, DEFAULT_PROJECT).versions() if each.lineage.job_id == job.id
    ]
    assert [version.name for version in versions if version.step is None] == [job.model]
    checkpoints = [version.step for version in versions if version.step is not None]
    assert sorted(set(checkpoints)) == sorted(checkpoints), checkpoints
    assert set(checkpoints) <= set(_STEPS[EVERY_STEPS - 1 :: EVERY_STEPS]), checkpoints
    (result,) = owner.results()
    rows = list(csv.DictReader(result.decode().splitlines()))
    assert [int(row["step"]) for row in rows] == _STEPS
    assert [float(row["train_loss"]) for row in rows] == [metric.values["loss"] for metric in curve]


def _require_nothing_left(platform: LivePlatform, life: Life, job: Job) -> None:
    folder, deadline = job_folder(platform.home, job), time.monotonic() + _SECONDS_TO_LEAVE
    while (left := attempt_processes(job.id)) or writers(folder):
        assert time.monotonic() < deadline, (left, writers(folder))
        time.sleep(0.5)
    assert not is_held(lock_folder(platform.home), job.id)
    assert life.holder() is None
