"""What an ended job leaves: its story, and nothing that only its run needed."""

from __future__ import annotations

from pathlib import Path

from job_world import TRAINED, World

from tunesmith.jobs.folders import job_folder
from tunesmith.jobs.retention import tidy_ended_jobs
from tunesmith.records import Job
from tunesmith.stores.database import Database


def _train(world: World, job: Job) -> Path:
    folder = job_folder(world.home, job)
    for name in (
        "prepared/ab/rows.arrow",
        "attempt-0001/checkpoint-50/weights",
        "attempt-0001/export/adapter",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


def test_an_ended_job_keeps_its_story_and_gives_its_room_back(metadata: Database, tmp_path: Path) -> None:
    world = World(tmp_path, database=metadata)
    job = world.running()
    folder = _train(world, job)
    assert tidy_ended_jobs(metadata, world.home, after_seconds=0) == 0
    assert (folder / "attempt-0001/checkpoint-50").exists()
    world.attempts.end(**TRAINED)
    world.tick_until(job, "succeeded")
    assert tidy_ended_jobs(metadata, world.home, after_seconds=3600) == 0
    assert tidy_ended_jobs(metadata, world.home, after_seconds=0) == 1
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert left == ["attempt-0001/events.jsonl", "attempt-0001/order.json"]
    assert tidy_ended_jobs(metadata, world.home, after_seconds=0) == 0


def test_a_folder_that_is_gone_already_is_tidy(metadata: Database, tmp_path: Path) -> None:
    world = World(tmp_path, database=metadata)
    job = world.tick_until(world.submit("{broken\n"), "failed")
    assert (job_folder(world.home, job) / "data").exists()
    assert tidy_ended_jobs(metadata, world.home, after_seconds=0) == 1
    assert not (job_folder(world.home, job) / "data").exists()
