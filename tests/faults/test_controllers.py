"""Two controllers, each a process, on one database: they and the drivers are killed all the time."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from job_controller import MAX_RUNNING
from job_world import World
from pretending_driver import NUM_STEPS

from tunesmith.jobs.events import read_events
from tunesmith.jobs.runners.process import ATTEMPT
from tunesmith.jobs.store import JobStore
from tunesmith.records import FINAL_STATES, Job
from tunesmith.stores.database import Database
from tunesmith.stores.registry import Registry

SEED, NUM_JOBS, NUM_KILLS = int(os.environ.get("KILL_SEED", "20261121")), 6, 10
MOST_SECONDS = 400
"""It takes a few on a quiet machine."""
_CONTROLLER = Path(__file__).with_name("job_controller.py")


class Controllers:
    """Two of them; one that dies is started again."""

    def __init__(self, world: World) -> None:
        self._words = [sys.executable, "-P", str(_CONTROLLER), str(world.home.root), world.database.url]
        self.running = [self._start() for _ in range(2)]

    def kill(self, which: int) -> None:
        self.running[which].kill()
        self.running[which].wait()
        self.running[which] = self._start()

    def end(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(timeout=30)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._words)


class Watch(threading.Thread):
    """Looks all the time at which attempts run: of one job never two, and no more than there are places."""

    def __init__(self, jobs: list[Job]) -> None:
        super().__init__(daemon=True)
        self._ids = {job.id for job in jobs}
        self.over = threading.Event()
        self.living: dict[str, psutil.Process] = {}
        self.seen: set[str] = set()
        self.faults: list[str] = []

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.living = drivers(self._ids)
            self.seen |= self.living.keys()
            # A look takes a while: who was there at its beginning may have left before others came.
            at_once = [attempt for attempt, process in self.living.items() if _is_living(process)]
            per_job = Counter(attempt.partition("/")[0] for attempt in at_once)
            if len(at_once) > MAX_RUNNING or max(per_job.values(), default=0) > 1:
                self.faults.append(f"at once: {sorted(at_once)}")


def drivers(job_ids: set[str]) -> dict[str, psutil.Process]:
    """The living drivers of some jobs, by attempt."""
    found = {}
    for process in psutil.process_iter():
        try:
            attempt = process.environ().get(ATTEMPT, "")
        except (psutil.Error, OSError):
            continue
        if attempt.partition("/")[0] in job_ids and _is_living(process):
            found[attempt] = process
    return found


def _is_living(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextmanager
def watched(jobs: list[Job]) -> Iterator[Watch]:
    watch = Watch(jobs)
    watch.start()
    yield watch
    watch.over.set()
    watch.join()


@pytest.mark.timeout(450)
def test_controllers_and_drivers_that_are_killed_lose_double_and_halt_no_job(
    metadata: Database, tmp_path: Path
) -> None:
    world, chance = World(tmp_path, database=metadata), random.Random(SEED)
    jobs = [world.submit(project=("default", "acme")[number % 2]) for number in range(NUM_JOBS)]
    controllers = Controllers(world)
    try:
        with watched(jobs) as watch:
            _kill_all_the_time(world, controllers, watch, chance)
            _wait_until(lambda: all(world.job(job).state in FINAL_STATES for job in jobs), "all jobs end")
    finally:
        controllers.end()
    assert watch.faults == []
    assert drivers({job.id for job in jobs}) == {}
    for job in jobs:
        _require_whole(world, job)
    assert len(watch.seen) > NUM_JOBS, "a kill has cost attempts"


def _kill_all_the_time(world: World, controllers: Controllers, watch: Watch, chance: random.Random) -> None:
    """A moment is so many steps of all jobs together: how fast the machine is changes nothing."""
    for moment in sorted(chance.sample(range(1, NUM_JOBS * NUM_STEPS - 4), NUM_KILLS)):
        _wait_until(lambda moment=moment: _steps_noted(world) >= moment, f"{moment} steps")
        time.sleep(chance.uniform(0, 0.05))
        if chance.random() < 0.4:
            controllers.kill(chance.randrange(2))
        else:
            _wait_until(lambda: _kill_one_of(watch.living, chance), "a driver")


def _steps_noted(world: World) -> int:
    files = world.home.objects.glob("projects/*/jobs/*/attempt-*/events.jsonl")
    return sum(event["type"] == "step" for file in files for event in read_events(file).events)


def _kill_one_of(living: dict[str, psutil.Process], chance: random.Random) -> bool:
    try:
        living[chance.choice(sorted(living))].kill()
    except (IndexError, psutil.NoSuchProcess):
        return False
    return True


def _wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"not within {MOST_SECONDS} s: {what}"
        time.sleep(0.02)


def _require_whole(world: World, job: Job) -> None:
    done, messages = world.job(job), world.messages(job)  # which also looks at their numbers
    assert done.state == "succeeded", done.error
    steps = list(range(1, NUM_STEPS + 1))
    told = [message for message in messages if message.startswith("Step ")]
    assert told == [f"Step {step}: training loss={1 / step:.4f}" for step in steps]
    assert messages.count("The job has successfully completed") == 1
    jobs = JobStore(world.database, job.project_id)
    assert [metric.step for metric in jobs.metrics(job.id)] == steps
    outcomes = [attempt.outcome for attempt in jobs.attempts(job.id)]
    assert outcomes == ["gone"] * (len(outcomes) - 1) + ["succeeded"]
    versions = Registry(world.database, job.project_id).versions()
    assert [version.name for version in versions if version.lineage.job_id == job.id] == [done.model]
