"""A world of jobs for tests: a database, controllers, and attempts that write what each test has them write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith.config.home import Home
from tunesmith.config.recipe import load_recipe
from tunesmith.config.serve import JobsConfig
from tunesmith.config.train import TrainConfig
from tunesmith.controller.jobs import JobController
from tunesmith.jobs.events import append_event
from tunesmith.jobs.queue import JobQueue, Published
from tunesmith.jobs.requests import JobRequests, new_job_id
from tunesmith.records import Job
from tunesmith.stores.database import Database, ProjectRow, open_home_database
from tunesmith.stores.files import FileStore
from tunesmith.stores.objects import ObjectStore

GOOD_LINE = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


@dataclass
class Attempts:
    """A runner: attempts are names, and live until a test ends them."""

    outlives_controller = False
    why: str | None = None
    living: dict[str, Path] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    def start(self, job: Job, folder: Path) -> Mapping[str, Any]:
        name = f"{job.id}/{job.fence}"
        if name not in self.living:
            self.started.append(name)
            self.living[name] = folder
            append_event(folder / "events.jsonl", "prepared", **PREPARED)
        return {"name": name}

    def find(self, job: Job, folder: Path) -> Mapping[str, Any] | None:
        name = f"{job.id}/{job.fence}"
        return {"name": name} if name in self.living else None

    def is_alive(self, handle: Mapping[str, Any]) -> bool:
        return handle["name"] in self.living

    def stop(self, handle: Mapping[str, Any]) -> None:
        self.living.pop(handle["name"], None)

    def reason(self, handle: Mapping[str, Any]) -> str | None:
        return self.why

    def note(self, event_type: str, **fields: Any) -> None:
        (folder,) = self.living.values()
        append_event(folder / "events.jsonl", event_type, **fields)

    def steps(self, *steps: int) -> None:
        for step in steps:
            self.note("step", step=step, values={"loss": 1.0 / step, "tokens": 100 * step})

    def end(self, **word: Any) -> None:
        if word:
            self.note("ended", **word)
        self.living.clear()


PREPARED = {"num_examples": 1, "num_tokens": 10, "num_rows": 1, "num_steps": 4, "data_hash": "abc"}
TRAINED = {"outcome": "trained"}
FAILED = {"outcome": "failed", "message": "It diverged.", "code": "diverged", "param": None, "again": False}


class World:
    """A database, some controllers, and a place where attempts run."""

    def __init__(
        self, root: Path, objects_url: str | None = None, database: Database | None = None, **config: Any
    ) -> None:
        self.home = Home(root)
        self.database = database or open_home_database(self.home)
        self.attempts = Attempts()
        self.config = JobsConfig(**config)
        self.objects = ObjectStore(objects_url or self.home.objects_url)
        self.published: Callable[[Job], str] = lambda job: f"ft:{job.id}"
        self.checkpoints: Mapping[int, str] = {}
        self.controller = self.make_controller("first")

    def make_controller(
        self, owner: str, hold_seconds: float = 15, database: Database | None = None
    ) -> JobController:
        queue = JobQueue(database or self.database, owner=owner, hold_seconds=hold_seconds)
        return JobController(
            database or self.database,
            self.objects,
            queue=queue,
            home=self.home,
            runner=self.attempts,
            publish=self.publish,
            config=self.config,
        )

    def publish(self, job: Job, _folder: Path, data_hash: str) -> Published:
        assert data_hash == PREPARED["data_hash"]
        return Published(self.published(job), 1234, ("file-results",), self.checkpoints)

    def submit(
        self, content: str = GOOD_LINE, project: str = "default", validation: str | None = None
    ) -> Job:
        with self.database.session() as session:
            session.merge(ProjectRow(id=project, created_at=0))
        job_id = new_job_id()
        files = FileStore(self.database, self.objects, project)
        file = files.create([content.encode()], filename="a.jsonl", purpose="fine-tune")
        fields = [f"name={job_id}", f"data.path={file.id}"]
        request = {"model": "base", "training_file": file.id}
        if validation is not None:
            held_out = files.create([validation.encode()], filename="b.jsonl", purpose="fine-tune")
            fields.append(f"validation.path={held_out.id}")
            request["validation_file"] = held_out.id
        config = load_recipe("api/supervised", TrainConfig, fields)
        jobs = JobRequests(self.database, project)
        return jobs.submit(job_id, request=request, config=config.model_dump(mode="json"))

    def job(self, job: Job) -> Job:
        return JobRequests(self.database, job.project_id).job(job.id)

    def messages(self, job: Job) -> list[str]:
        events = JobRequests(self.database, job.project_id).events(job.id, limit=100).items
        assert [event.number for event in events] == list(range(len(events), 0, -1))
        return [event.message for event in reversed(events)]

    def tick_until(self, job: Job, state: str, controller: JobController | None = None) -> Job:
        for _ in range(100):
            (controller or self.controller).tick()
            if self.job(job).state == state:
                return self.job(job)
            time.sleep(0.02)
        raise AssertionError(f"{self.job(job).state}, not {state}")

    def running(self) -> Job:
        return self.tick_until(self.submit(), "running")
