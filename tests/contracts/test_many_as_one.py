"""Several gateways and controllers on one database behave as one, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from job_world import GOOD_LINE, TRAINED, World

from tunesmith.config.serve import JobsConfig
from tunesmith.gateway.app import build_app
from tunesmith.gateway.upstream import Upstream
from tunesmith.jobs.events import append_event
from tunesmith.jobs.store import JobStore
from tunesmith.records import FINAL_STATES, Job
from tunesmith.stores.database import Database
from tunesmith.stores.keys import KeyStore

SEED, NUM_JOBS, MAX_RUNNING = 20261121, 12, 2
STEPS = (1, 2, 3, 4)


@pytest.fixture
def databases(metadata: Database) -> Iterator[tuple[Database, Database]]:
    """Two pools of connections, as two processes have."""
    pair = Database(metadata.url), Database(metadata.url)
    yield pair
    for database in pair:
        database.close()


class Cluster(threading.Thread):
    """Works on whatever attempt lives: a step now and then, sometimes a death, at last the end."""

    def __init__(self, world: World, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.world, self.chance = world, chance
        self.most_at_once = 0
        self.over = threading.Event()
        self._reached: dict[str, int] = {}

    def run(self) -> None:
        while not self.over.wait(0.01):
            living = dict(self.world.attempts.living)
            self.most_at_once = max(self.most_at_once, len({name.partition("/")[0] for name in living}))
            for name, folder in living.items():
                self._work(name, folder)

    def _work(self, name: str, folder: Path) -> None:
        job_id = name.partition("/")[0]
        step = self._reached.get(job_id, 0) + 1
        if step in STEPS:
            values = {"loss": 1.0 / step, "tokens": 100 * step}
            append_event(folder / "events.jsonl", "step", step=step, values=values)
            self._reached[job_id] = step
            if self.chance.random() < 0.2:
                self.world.attempts.living.pop(name, None)
            return
        append_event(folder / "events.jsonl", "ended", **TRAINED)
        self.world.attempts.living.pop(name, None)


def test_two_controllers_make_each_job_true_once(
    metadata: Database, databases: tuple[Database, Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.controller.jobs._SECONDS_BETWEEN_LOOKS", 0.02)
    world = World(tmp_path, database=metadata, max_running=MAX_RUNNING, max_stalled_attempts=50)
    chance, published = random.Random(SEED), []

    def publish(job: Job) -> str:
        published.append(job.id)
        time.sleep(0.05)
        return f"ft:{job.id}"

    world.published = publish
    jobs = [world.submit(project=("default", "acme")[n % 2]) for n in range(NUM_JOBS)]
    cluster, stop = Cluster(world, chance), threading.Event()
    cluster.start()
    controllers = [world.make_controller(f"c{n}", 2.0, database) for n, database in enumerate(databases)]
    threads = [
        threading.Thread(target=each.run, args=(stop,), kwargs={"has_room": lambda: True})
        for each in controllers
    ]
    for thread in threads:
        thread.start()
    try:
        _wait_for(lambda: all(world.job(job).state in FINAL_STATES for job in jobs), seconds=100)
    finally:
        stop.set()
        cluster.over.set()
        for thread in (*threads, cluster):
            thread.join()
    assert [world.job(job).state for job in jobs] == ["succeeded"] * NUM_JOBS
    assert sorted(published) == sorted(job.id for job in jobs)
    assert cluster.most_at_once <= MAX_RUNNING
    for job in jobs:
        messages = world.messages(job)  # which also checks that their numbers have no gap
        steps = [message for message in messages if message.startswith("Step")]
        assert steps == [f"Step {step}: training loss={1 / step:.4f}" for step in STEPS]
        assert messages.count("The job has successfully completed") == 1
        assert len(JobStore(metadata, job.project_id).metrics(job.id)) == len(STEPS)


def _wait_for(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def gateways(
    metadata: Database, databases: tuple[Database, Database], tmp_path: Path
) -> tuple[httpx.AsyncClient, ...]:
    world = World(tmp_path, database=metadata)
    key = KeyStore(metadata).create("default", "test")

    def client(database: Database) -> httpx.AsyncClient:
        app = build_app(
            database=database,
            objects=world.objects,
            upstream=Upstream("http://127.0.0.1:9"),
            base="tiny-reader",
            embedder="mini",
            readiness=lambda: None,
            jobs=JobsConfig(max_active_per_project=5),
        )
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://gateway", headers=headers, timeout=60
        )

    return tuple(client(database) for database in databases)


async def test_what_one_gateway_takes_the_other_shows_and_together_they_take_no_more_than_one(
    gateways: tuple[httpx.AsyncClient, ...],
) -> None:
    one, other = gateways
    content = {"file": ("a.jsonl", GOOD_LINE.encode()), "purpose": (None, "fine-tune")}
    file_id = (await one.post("/v1/files", files=content)).json()["id"]
    body = {"training_file": file_id, "model": "tiny-reader"}
    asked = [gateways[n % 2].post("/v1/fine_tuning/jobs", json=body) for n in range(12)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 7
    made = {answer.json()["id"] for answer in answers if answer.status_code == 200}
    for gateway in gateways:
        listed = (await gateway.get("/v1/fine_tuning/jobs")).json()["data"]
        assert {job["id"] for job in listed} == made
    (first, *_) = made
    cancelled = await asyncio.gather(
        *(gateways[n % 2].post(f"/v1/fine_tuning/jobs/{first}/cancel") for n in range(6))
    )
    assert sorted(answer.status_code for answer in cancelled) == [200] + [409] * 5
    events = (await other.get(f"/v1/fine_tuning/jobs/{first}/events")).json()["data"]
    assert [event["message"] for event in events].count("Fine-tuning job cancelled") == 1


async def test_an_alias_that_is_moved_through_two_gateways_goes_back_each_move(
    gateways: tuple[httpx.AsyncClient, ...],
) -> None:
    bodies: list[dict[str, Any]] = [
        {"name": "support", "model": "tiny-reader", "instructions": f"Version {n}."} for n in range(10)
    ]
    moved = await asyncio.gather(
        *(gateways[n % 2].post("/v1/aliases", json=body) for n, body in enumerate(bodies))
    )
    assert {answer.status_code for answer in moved} == {200}
    back = await asyncio.gather(*(gateways[n % 2].post("/v1/aliases/support/rollback") for n in range(10)))
    assert sorted(answer.status_code for answer in back) == [200] * 9 + [409]
