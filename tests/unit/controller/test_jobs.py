"""The job controller, with a runner whose attempts write what each test has them write."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from job_world import FAILED, GOOD_LINE, PREPARED, TRAINED, World
from sqlalchemy import event

from tunesmith.errors import DataError, StaleAttemptError, UnavailableError
from tunesmith.jobs.estimate import estimated_finish
from tunesmith.jobs.events import append_event
from tunesmith.jobs.folders import attempt_folder, job_folder
from tunesmith.jobs.queue import JobQueue, Published
from tunesmith.jobs.requests import JobRequests
from tunesmith.jobs.store import JobStore
from tunesmith.records import Job, Lineage, ModelVersion
from tunesmith.stores.database import Database, JobRow
from tunesmith.stores.files import FileStore
from tunesmith.stores.registry import Registry


@pytest.fixture
def count_writes() -> Callable[[Database], list[str]]:
    def start(database: Database) -> list[str]:
        writes: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
                writes.append(statement)

        event.listen(database._engine, "before_cursor_execute", note)
        return writes

    return start


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_job_goes_its_way(world: World) -> None:
    job = world.running()
    world.attempts.note("reference", num_pairs=64)
    world.attempts.note("engine", engine="DeepSpeedEngine", zero_stage=2, world_size=2, resumed_from=0)
    world.attempts.steps(1, 2)
    world.controller.tick()
    world.attempts.steps(3, 4)
    world.attempts.end(**TRAINED)
    done = world.tick_until(job, "succeeded")
    assert (done.model, done.trained_tokens, done.result_files) == (f"ft:{job.id}", 1234, ("file-results",))
    assert done.finished_at
    assert world.messages(job) == [
        f"Created fine-tuning job: {job.id}",
        "Validating training file",
        "Files validated, moving job to queued state",
        "Training data packed: 1 examples, 10 tokens, 4 steps",
        "Computing the reference log-probabilities of 64 pairs",
        "Fine-tuning started (DeepSpeedEngine, ZeRO 2, 2 workers)",
        "Step 1: training loss=1.0000",
        "Step 2: training loss=0.5000",
        "Step 3: training loss=0.3333",
        "Step 4: training loss=0.2500",
        f"New fine-tuned model created: ft:{job.id}",
        "The job has successfully completed",
    ]


def test_the_order_holds_all_that_an_attempt_needs(world: World) -> None:
    job = world.running()
    (folder,) = world.attempts.living.values()
    order = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    assert (order["job_id"], order["fence"]) == (job.id, 1)
    file_id = str(job.request["training_file"] if job.request else "")
    assert order["files"] == {file_id: f"projects/default/jobs/{job.id}/data/{file_id}"}


def test_a_file_that_is_deleted_under_a_running_job_changes_nothing(world: World) -> None:
    job = world.running()
    assert job.request is not None
    FileStore(world.database, world.objects, "default").delete(job.request["training_file"])
    world.attempts.end()
    world.controller.tick()
    assert world.tick_until(job, "running").fence == 2
    (folder,) = world.attempts.living.values()
    order = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    (key,) = order["files"].values()
    assert (world.home.objects / key).read_text(encoding="utf-8") == GOOD_LINE


def test_a_job_keeps_what_it_is_measured_on_too(world: World) -> None:
    job = world.tick_until(world.submit(validation=GOOD_LINE), "running")
    assert job.request is not None
    (folder,) = world.attempts.living.values()
    order = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    assert set(order["files"]) == {job.request["training_file"], job.request["validation_file"]}
    assert all((world.home.objects / key).exists() for key in order["files"].values())


def test_bad_lines_of_the_validation_file_are_told_as_its_own(world: World) -> None:
    job = world.tick_until(world.submit(validation=GOOD_LINE + "{broken\n"), "failed")
    assert (job.error_code, job.error_param) == ("invalid_validation_file", "validation_file")
    assert job.request is not None
    assert f"{job.request['validation_file']}:2: not valid JSON" in str(job.error)


def test_checkpoints_become_visible_with_the_version_and_are_told(world: World) -> None:
    job = world.running()
    lineage = Lineage("base", "0", {}, 1, {}, "0", job.id)
    registry = Registry(world.database, "default")
    for name in (f"ft:{job.id}", f"ft:{job.id}:ckpt-step-2"):
        registry.register(ModelVersion(name, "default", "base", "adapter", name, 1, lineage), hidden=True)
    world.checkpoints = {2: f"ft:{job.id}:ckpt-step-2"}
    world.attempts.steps(1, 2)
    world.attempts.end(**TRAINED)
    world.tick_until(job, "succeeded")
    assert [version.step for version in registry.checkpoints(job.id)] == [2]
    assert f"Checkpoint of step 2 answers as ft:{job.id}:ckpt-step-2" in world.messages(job)


def test_what_a_step_was_measured_at_is_told_by_the_names_of_the_api(world: World) -> None:
    job = world.running()
    values = {"loss": 0.5, "mean_token_accuracy": 0.75, "valid_loss": 1.5, "seconds": 2.0}
    world.attempts.note("step", step=1, values=values)
    world.controller.tick()
    event = JobRequests(world.database, "default").events(job.id).items[0]
    assert event.message == "Step 1: training loss=0.5000, validation loss=1.5000"
    assert dict(event.data) == {
        "step": 1,
        "train_loss": 0.5,
        "train_mean_token_accuracy": 0.75,
        "valid_loss": 1.5,
        "seconds": 2.0,
    }
    finish = estimated_finish(world.database, world.job(job))
    assert finish is not None
    assert finish == pytest.approx(time.time() + 3 * 2.0, abs=2)


def test_a_job_that_has_not_taken_a_step_has_no_end_in_sight(world: World) -> None:
    job = world.submit()
    assert estimated_finish(world.database, job) is None
    job = world.tick_until(job, "running")
    assert estimated_finish(world.database, job) is None


def test_a_job_takes_its_file_from_a_bucket(tmp_path: Path) -> None:
    world = World(tmp_path, objects_url="memory://bucket")
    job = world.running()
    (kept,) = (job_folder(world.home, job) / "data").iterdir()
    assert kept.read_text(encoding="utf-8") == GOOD_LINE


def test_bad_lines_end_the_job_before_it_takes_a_place(world: World) -> None:
    job = world.tick_until(world.submit(GOOD_LINE + "{broken\n"), "failed")
    assert (job.error_code, job.error_param) == ("invalid_training_file", "training_file")
    assert job.request is not None
    assert f"{job.request['training_file']}:2: not valid JSON" in str(job.error)
    assert world.attempts.started == []


def test_a_file_that_was_deleted_meanwhile_is_told(world: World) -> None:
    job = world.submit()
    assert job.request is not None
    FileStore(world.database, world.objects, "default").delete(job.request["training_file"])
    failed = world.tick_until(job, "failed")
    assert failed.error == (
        f"No such File object: {job.request['training_file']}. GET /v1/files lists those that there are."
    )


def test_a_lost_attempt_is_followed_by_one_that_tells_no_step_twice(world: World) -> None:
    job = world.running()
    world.attempts.steps(1, 2, 3)
    world.controller.tick()
    world.attempts.end()
    world.controller.tick()
    assert world.job(job).state == "queued"
    assert world.tick_until(job, "running").fence == 2
    world.attempts.steps(3, 4)
    world.attempts.end(**TRAINED)
    world.tick_until(job, "succeeded")
    assert [m for m in world.messages(job) if m.startswith("Step")] == [
        f"Step {step}: training loss={1 / step:.4f}" for step in (1, 2, 3, 4)
    ]
    attempts = JobStore(world.database, "default").attempts(job.id)
    assert [attempt.outcome for attempt in attempts] == ["gone", "succeeded"]


def test_what_a_lost_attempt_noted_last_is_still_told(world: World) -> None:
    job = world.running()
    world.attempts.steps(1, 2)
    world.attempts.end()
    world.controller.tick()
    world.controller.tick()
    assert "Step 2: training loss=0.5000" in world.messages(job)


def test_attempts_that_are_lost_without_a_step_end_the_job(world: World) -> None:
    job = world.running()
    for _ in range(20):
        world.attempts.end()
        world.controller.tick()
    assert world.job(job).state == "failed"
    assert world.job(job).error_code == "attempts_lost"
    assert len(world.attempts.started) == world.config.max_stalled_attempts


def test_an_attempt_that_fails_ends_the_job_with_its_reason(world: World) -> None:
    job = world.running()
    world.attempts.end(**FAILED)
    world.controller.tick()
    failed = world.job(job)
    assert (failed.state, failed.error, failed.error_code) == ("failed", "It diverged.", "diverged")


def test_an_attempt_that_met_no_cluster_is_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.controller.jobs._PAUSE_SECONDS", 0.0)
    job = world.running()
    world.attempts.end(**{**FAILED, "again": True})
    world.controller.tick()
    world.tick_until(job, "running")
    assert world.job(job).fence == 2


@pytest.mark.parametrize(("wanted", "state"), [("cancelled", "cancelled"), ("paused", "paused")])
def test_a_running_job_is_stopped_when_it_is_wanted_so(world: World, wanted: Any, state: str) -> None:
    job = world.running()
    JobRequests(world.database, "default").want(job.id, wanted)
    world.tick_until(job, state)
    assert world.attempts.living == {}
    assert world.messages(job)[-1] == f"Fine-tuning job {state}"


def test_a_paused_job_goes_on_under_a_new_fence(world: World) -> None:
    job = world.running()
    jobs = JobRequests(world.database, "default")
    jobs.want(job.id, "paused")
    world.tick_until(job, "paused")
    jobs.want(job.id, "succeeded")
    world.tick_until(job, "running")
    assert world.job(job).fence == 2


def test_one_runs_and_the_others_wait_project_by_project(world: World) -> None:
    first = world.running()
    second, other = world.submit(), world.submit(project="other")
    for _ in range(20):
        world.controller.tick()
        time.sleep(0.02)
    assert [world.job(job).state for job in (first, second, other)] == ["running", "queued", "queued"]
    world.attempts.end(**TRAINED)
    world.tick_until(first, "succeeded")
    for _ in range(5):
        world.controller.tick()
    assert sorted(world.job(job).state for job in (second, other)) == ["queued", "running"]


def test_another_project_goes_before_the_second_job_of_one_that_runs(tmp_path: Path) -> None:
    world = World(tmp_path, max_running=2)
    first = world.running()
    second, other = world.submit(), world.submit(project="other")
    world.tick_until(other, "running")
    assert world.job(first).state == "running"
    assert world.job(second).state == "queued"


def test_another_controller_leaves_a_held_job_alone_and_takes_an_abandoned_one(world: World) -> None:
    world.controller = world.make_controller("dying", hold_seconds=0.3)
    job = world.running()
    other = world.make_controller("other")
    world.attempts.end(**TRAINED)
    other.tick()
    assert world.job(job).state == "running"
    time.sleep(0.4)
    world.tick_until(job, "succeeded", other)


def _begin_and_die(world: World, job: Job) -> Job:
    queue = JobQueue(world.database, owner="dead", hold_seconds=0)
    held = queue.hold(job)
    assert held is not None
    begun = queue.begin_attempt(held, max_running=1)
    assert begun is not None
    return begun


def test_a_controller_that_died_while_starting_an_attempt_starts_none_twice(world: World) -> None:
    job = world.tick_until(world.submit(), "queued")
    _begin_and_die(world, job)
    world.controller.tick()
    world.controller.tick()
    assert world.attempts.started == [f"{job.id}/1"]


@pytest.mark.parametrize(("wanted", "state"), [("cancelled", "cancelled"), ("paused", "paused")])
def test_an_attempt_whose_handle_was_never_written_is_stopped_too(
    world: World, wanted: Any, state: str
) -> None:
    job = world.tick_until(world.submit(), "queued")
    begun = _begin_and_die(world, job)
    folder = attempt_folder(job_folder(world.home, begun), 1)
    folder.mkdir(parents=True)
    world.attempts.start(begun, folder)
    JobRequests(world.database, "default").want(job.id, wanted)
    world.tick_until(job, state)
    assert world.attempts.living == {}


def test_publishing_waits_for_an_engine_that_is_away(world: World) -> None:
    tries = iter([UnavailableError("away"), None])

    def publish(job: Job) -> str:
        if error := next(tries):
            raise error
        return f"ft:{job.id}"

    world.published = publish
    job = world.running()
    world.attempts.end(**TRAINED)
    world.tick_until(job, "publishing")
    world.tick_until(job, "succeeded")


def test_a_version_that_cannot_be_published_fails_the_job(world: World) -> None:
    def publish(_job: Job) -> str:
        raise DataError("Trainer and engine differ.", code="parity")

    world.published = publish
    job = world.running()
    world.attempts.end(**TRAINED)
    assert world.tick_until(job, "failed").error_code == "parity"


def test_no_attempt_begins_while_there_is_no_cluster(world: World) -> None:
    job = world.running()
    world.attempts.end()
    for _ in range(3):
        world.controller.tick(has_room=False)
    assert (world.job(job).state, world.attempts.started) == ("queued", [f"{job.id}/1"])
    assert world.tick_until(job, "running").fence == 2


def test_a_job_that_is_resumed_while_its_attempt_is_being_stopped_goes_on(world: World) -> None:
    job = world.running()
    jobs = JobRequests(world.database, "default")
    jobs.want(job.id, "paused")
    stop = world.attempts.stop

    def stop_slowly(handle: Mapping[str, Any]) -> None:
        stop(handle)
        jobs.want(job.id, "succeeded")

    world.attempts.stop = stop_slowly  # type: ignore[method-assign]
    world.controller.tick()
    world.attempts.stop = stop  # type: ignore[method-assign]
    assert world.tick_until(job, "running").fence == 2


def test_a_job_that_nothing_can_be_done_for_gives_its_place_away(tmp_path: Path) -> None:
    world = World(tmp_path, patience_seconds=0.05)

    def publish(_job: Job) -> str:
        raise KeyError("prompt_token_ids")

    world.published = publish
    job = world.running()
    world.attempts.end(**TRAINED)
    world.controller.tick()
    time.sleep(0.1)
    assert world.tick_until(job, "failed").error_code == "controller_failed"


def test_a_job_is_cancelled_also_while_it_is_published(world: World) -> None:
    def publish(_job: Job) -> str:
        raise UnavailableError("away")

    world.published = publish
    job = world.running()
    world.attempts.end(**TRAINED)
    world.tick_until(job, "publishing")
    JobRequests(world.database, "default").want(job.id, "cancelled")
    world.tick_until(job, "cancelled")


def test_an_attempt_that_ended_before_its_handle_was_written_is_not_run_again(world: World) -> None:
    job = world.tick_until(world.submit(), "queued")
    begun = _begin_and_die(world, job)
    folder = attempt_folder(job_folder(world.home, begun), 1)
    folder.mkdir(parents=True)
    append_event(folder / "events.jsonl", "prepared", **PREPARED)
    append_event(folder / "events.jsonl", "ended", **TRAINED)
    world.tick_until(job, "succeeded")
    assert world.attempts.started == []


def test_attempts_that_only_repeat_what_was_done_end_the_job(world: World) -> None:
    job = world.running()
    world.attempts.steps(1, 2)
    for _ in range(12):
        world.attempts.end()
        world.controller.tick()
        world.controller.tick()
        if world.attempts.living:
            world.attempts.steps(1, 2)
    assert world.job(job).error_code == "attempts_lost"
    assert len(world.attempts.started) == world.config.max_stalled_attempts + 1


def test_a_slow_proof_is_made_once_and_holds_up_no_other_job(tmp_path: Path) -> None:
    world = World(tmp_path, max_running=2)
    proving, proved = [], threading.Event()

    def publish(job: Job) -> str:
        proving.append(job.id)
        assert proved.wait(10)
        return f"ft:{job.id}"

    world.published = publish
    job = world.running()
    world.attempts.end(**TRAINED)
    world.tick_until(job, "publishing")
    stop, other = threading.Event(), world.make_controller("other", hold_seconds=0.2)
    mine = world.make_controller("mine", hold_seconds=0.2)
    time.sleep(0.3)
    world.controller = mine
    threads = [
        Thread(target=each.run, args=(stop,), kwargs={"has_room": lambda: True}) for each in (mine, other)
    ]
    _wait_for(lambda: (mine.tick(), proving)[1])
    for thread in threads:
        thread.start()
    second = world.tick_until(world.submit(), "running")
    time.sleep(1.5)  # many times a hold
    proved.set()
    _wait_for(lambda: world.job(job).state == "succeeded")
    stop.set()
    for thread in threads:
        thread.join()
    assert proving == [job.id]
    assert world.messages(job).count("The job has successfully completed") == 1
    assert world.job(second).state == "running"


def _wait_for(true: Callable[[], Any], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_controller_that_has_lost_a_job_changes_nothing_any_more(world: World) -> None:
    job = world.running()
    late = JobQueue(world.database, owner="late", hold_seconds=0)
    time.sleep(0.01)
    with world.database.session() as session:
        session.get_one(JobRow, job.id).held_until = 0.0
    seen = late.hold(world.job(job))
    assert seen is not None
    world.controller.tick()
    for write in (
        lambda: late.advance(seen, "publishing"),
        lambda: late.requeue(seen, told=[]),
        lambda: late.stopped(seen, "cancelled"),
        lambda: late.fail(seen, "late", code="late"),
        lambda: late.keep_handle(seen, {}),
        lambda: late.succeed(seen, Published("ft:late", 1, ())),
    ):
        with pytest.raises(StaleAttemptError, match="held by first now"):
            write()
    assert world.job(job).state == "running"


def test_what_was_seen_before_a_job_moved_on_is_not_written(world: World) -> None:
    seen = world.running()
    queue = JobQueue(world.database, owner="first")
    queue.fail(seen, "It diverged.", code="diverged")
    for write in (
        lambda: queue.stopped(seen, "cancelled"),
        lambda: queue.requeue(seen, told=[]),
        lambda: queue.succeed(seen, Published("ft:late", 1, ())),
        lambda: JobStore(world.database, "default").set_state(
            seen.id, seen.fence, "succeeded", model="ft:late"
        ),
    ):
        with pytest.raises(StaleAttemptError, match="failed"):
            write()
    assert (world.job(seen).state, world.job(seen).model) == ("failed", None)


def test_a_hold_from_before_the_clock_was_set_back_blocks_nobody(world: World) -> None:
    job = world.running()
    with world.database.session() as session:
        session.get_one(JobRow, job.id).held_until = time.time() + 3600
    world.controller = world.make_controller("other")
    world.attempts.end(**TRAINED)
    world.tick_until(job, "succeeded")


def test_jobs_that_wait_cost_no_write(world: World, count_writes: Callable[[Database], list[str]]) -> None:
    world.running()
    for _ in range(5):
        world.tick_until(world.submit(), "queued")
    world.controller.tick()
    writes = count_writes(world.database)
    for _ in range(3):
        world.controller.tick()
    assert writes == []


def test_two_controllers_give_the_last_place_away_once(world: World) -> None:
    jobs = [world.tick_until(world.submit(), "validating_files") for _ in range(2)]
    for job in jobs:
        for _ in range(100):
            world.controller.tick(has_room=False)
            if world.job(job).state == "queued":
                break
            time.sleep(0.02)
    begun = []
    for owner, job in zip(("one", "two"), jobs, strict=True):
        queue = JobQueue(world.database, owner=owner)
        held = queue.hold(world.job(job))
        assert held is not None
        begun.append(queue.begin_attempt(held, max_running=1))
    assert [each is not None for each in begun] == [True, False]


def test_a_job_that_is_cancelled_during_its_proof_leaves_no_name(world: World) -> None:
    def publish(job: Job) -> str:
        JobRequests(world.database, "default").want(job.id, "cancelled")
        return f"ft:{job.id}"

    world.published = publish
    job = world.running()
    world.attempts.end(**TRAINED)
    assert world.tick_until(job, "cancelled").model is None


def test_where_things_lie_here_is_not_told(world: World) -> None:
    job = world.running()
    world.attempts.note(
        "failed", error="TrainingError", message=f"Look at {world.home.objects}/worker-0.log."
    )
    world.attempts.end(**{**FAILED, "message": f"{world.home.objects}/x cannot be written. {'a' * 10_000}"})
    failed = world.tick_until(job, "failed")
    told = " ".join((failed.error or "", *world.messages(job)))
    assert "Look at $TUNESMITH_HOME/objects/worker-0.log." in told
    assert str(world.home.root) not in told
    assert (failed.error or "").endswith("more characters)")
