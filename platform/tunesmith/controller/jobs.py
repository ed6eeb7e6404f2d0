"""Makes jobs true: looks at each that has not ended, and makes one step.

    validating_files --> queued --> running --> publishing --> succeeded
                                      |  ^ the attempt was lost: the next one resumes from its checkpoint
                                      +--> failed | cancelled | paused

Everything that a step needs is in the database and the object store, so that any controller can make the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tunesmith.config.home import Home
from tunesmith.config.serve import JobsConfig
from tunesmith.config.train import FileDataConfig, TrainConfig
from tunesmith.controller.edge import Loop, going_on
from tunesmith.controller.waiting import WaitingReasons
from tunesmith.datasets.jsonl import describe_faults
from tunesmith.datasets.sources import check_file
from tunesmith.errors import ConfigError, PlatformError, StaleAttemptError, StorageError, UnavailableError
from tunesmith.jobs.events import EventBatch, read_events
from tunesmith.jobs.folders import attempt_folder, data_key, job_folder, keep_file
from tunesmith.jobs.order import AttemptOrder, write_order
from tunesmith.jobs.queue import JobQueue, Published
from tunesmith.jobs.runners.protocol import Runner
from tunesmith.jobs.store import JobStore
from tunesmith.jobs.telling import Told, cut
from tunesmith.records import Job, JobState
from tunesmith.stores.database import Database
from tunesmith.stores.files import FileStore
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.registry import Registry
from tunesmith.train.start import parent_of

Result = TypeVar("Result")

LOG = logging.getLogger("tunesmith.controller.jobs")
"""The job controller's log."""

_SECONDS_BETWEEN_LOOKS = 1.0
_PAUSE_SECONDS = 10.0
"""Before an attempt that met no cluster is made again."""


class Publisher(Protocol):
    """Makes a version of what an attempt has left."""

    def __call__(self, job: Job, folder: Path, data_hash: str) -> Published:
        """Commit, prove and register.

        Args:
            job: the job, in `publishing`.
            folder: its newest attempt's folder.
            data_hash: hash of its training data.

        Returns:
            The version, its name still hidden; the same for the same job, however often it is called.
        """
        ...


class JobController:
    """Drives the jobs of all projects.

    Args:
        database: the metadata database.
        objects: where training files lie.
        queue: this controller's hold on jobs.
        home: the installation.
        runner: where attempts run.
        publish: makes versions.
        config: limits.
    """

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        *,
        queue: JobQueue,
        home: Home,
        runner: Runner,
        publish: Publisher,
        config: JobsConfig,
    ) -> None:
        self._database = database
        self._queue = queue
        self._objects = objects
        self._home = home
        self._runner = runner
        self._waiting = WaitingReasons(runner)
        self._publish = publish
        self._config = config
        self._slow: dict[str, Future[Any]] = {}
        self._pauses: dict[str, float] = {}
        self._failing_since: dict[str, float] = {}
        # Reading a large file and asking an engine take minutes, which nobody else shall wait for.
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="jobs")

    def run(self, stop: threading.Event, *, has_room: Callable[[], bool]) -> None:
        """Look and step until told to stop; then end the attempts that run here.

        Args:
            stop: set by a signal.
            has_room: whether the place where attempts run can take one now.
        """
        renewing = Loop("renewing holds", self._renew, stop)
        renewing.start()
        try:
            while not stop.wait(_SECONDS_BETWEEN_LOOKS):
                with going_on("jobs"):
                    self.tick(has_room=has_room())
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if not self._runner.outlives_controller:
            self.stop_attempts()

    def _renew(self, stop: threading.Event) -> None:
        """Keep what is held while a step takes long: a version is proved, an attempt is stopped."""
        while not stop.wait(self._queue.seconds_between_renewals):
            with going_on("holds"):
                self._queue.renew()

    def stop_attempts(self) -> None:
        """End the attempts that run here, before the Ray under them ends: they go on when the platform is back.

        An attempt that saw its cluster vanish could not tell that from a failure of its own.
        """
        with going_on("jobs"):
            for job in self._queue.due():
                with going_on(job.id):
                    if (
                        job.state == "running"
                        and self._queue.hold(job)
                        and (handle := self._queue.handle(job))
                    ):
                        self._runner.stop(handle)

    def tick(self, *, has_room: bool = True) -> None:
        """Look at every job once and make one step of each that this controller can hold.

        Args:
            has_room: whether the place where attempts run can take one now.
        """
        due = self._queue.due()
        self._forget_all_but({job.id for job in due})
        running = sum(job.state in ("running", "publishing") for job in due)
        room = self._config.max_running - running if has_room else 0
        for seen in due:
            if not self._waits(seen, room=room):
                with going_on(seen.id):
                    room -= self._step_safely(seen, room=room)

    def _waits(self, job: Job, *, room: int) -> bool:
        """Whether there is nothing to do for a job; most have to wait for their turn, and cost no write."""
        if job.state == "paused":
            return job.wanted == "paused"
        return job.state == "queued" and job.wanted == "succeeded" and (room <= 0 or not self._may_begin(job))

    def _forget_all_but(self, due: set[str]) -> None:
        for kept in (self._slow, self._pauses, self._failing_since):
            for job_id in [job_id for job_id in kept if job_id not in due]:
                kept.pop(job_id)

    def _step_safely(self, seen: Job, *, room: int) -> bool:
        """One job's fault must not hold up the others; it is met again at the next look."""
        try:
            job = self._queue.hold(seen)
            took_place = job is not None and self._step(job, room=room)
        except StaleAttemptError as error:
            LOG.info("%s: %s", seen.id, error.message)  # another controller or its owner was faster
            return False
        except PlatformError as error:
            LOG.warning("%s: %s", seen.id, error.message)
            self._give_up_in_time(seen, error.message)
        except Exception:
            LOG.exception("%s: a step failed", seen.id)
            self._give_up_in_time(seen, "The controller fails on this job; its log says why.")
        else:
            if seen.id not in self._slow:  # what is still being tried has not gone well yet
                self._failing_since.pop(seen.id, None)
            return took_place
        return False

    def _give_up_in_time(self, job: Job, message: str) -> None:
        """A job that nothing can be done for must not hold its place for ever."""
        since = self._failing_since.setdefault(job.id, time.monotonic())
        if time.monotonic() - since > self._config.patience_seconds:
            self._failing_since.pop(job.id)
            self._fail(job, message, code="controller_failed")

    def _fail(self, job: Job, message: str, *, code: str, param: str | None = None) -> None:
        self._queue.fail(job, self._shown(message), code=code, param=param)

    def _shown(self, message: str) -> str:
        """A message as a tenant may read it: where things lie on this machine is none of his business."""
        return message.replace(str(self._home.root), "$TUNESMITH_HOME")

    def _beside(self, job: Job, do: Callable[[Job], Result]) -> Result | None:
        """Have something slow done beside the loop; None while it is not done."""
        if job.id not in self._slow:
            self._slow[job.id] = self._pool.submit(do, job)
            return None
        if not self._slow[job.id].done():
            return None
        result: Result = self._slow.pop(job.id).result()
        return result

    def _step(self, job: Job, *, room: int) -> bool:
        """Make one step; whether it took a place."""
        match job.state:
            case "validating_files":
                self._validate(job)
            case "queued" | "paused" if job.wanted != "succeeded":
                self._settle(job)
            case "queued":
                return self._begin(job) if room > 0 else False
            case "running":
                self._follow(job)
            case "publishing" if job.wanted == "cancelled":
                self._queue.stopped(job, "cancelled", told=[Told("Fine-tuning job cancelled")])
            case "publishing":
                self._make_version(job)
        return False

    def _validate(self, job: Job) -> None:
        faults = self._beside(job, self._faults_of)
        if faults is None:
            return
        if faults.message:
            self._fail(job, faults.message, code=f"invalid_{faults.param}", param=faults.param)
        else:
            self._queue.advance(job, "queued", told=[Told("Files validated, moving job to queued state")])

    def _faults_of(self, job: Job) -> _Faults:
        """What is wrong with the first of the job's files that is not right."""
        config = TrainConfig.model_validate(job.config)
        for param, file_id in _named_files(config).items():
            if message := self._faults_of_file(job, config, file_id):
                return _Faults(message, param)
        return _Faults()

    def _faults_of_file(self, job: Job, config: TrainConfig, file_id: str) -> str:
        kept = self._home.objects / data_key(job, file_id)
        try:
            with FileStore(self._database, self._objects, job.project_id).local_path(file_id) as path:
                keep_file(path, kept)
            _, shown, count = check_file(config, kept, name=file_id)
        except PlatformError as error:
            return error.message
        if not count:
            return ""
        return describe_faults(shown) + (f"\n{count} bad lines in all." if count > len(shown) else "")

    def _files_of(self, job: Job) -> dict[str, str]:
        """Where below the home's objects everything lies that the job's recipe names."""
        config = TrainConfig.model_validate(job.config)
        files = {file_id: data_key(job, file_id) for file_id in _named_files(config).values()}
        if parent := parent_of(config):
            files[parent] = Registry(self._database, job.project_id).path(parent)
        return files

    def _settle(self, job: Job) -> None:
        if job.wanted == "cancelled":
            self._queue.advance(job, "cancelled", told=[Told("Fine-tuning job cancelled")])
        elif job.state != "paused":
            self._queue.advance(job, "paused", told=[Told("Fine-tuning job paused")])

    def _may_begin(self, job: Job) -> bool:
        return time.monotonic() >= self._pauses.get(job.id, 0.0)

    def _begin(self, job: Job) -> bool:
        begun = self._queue.begin_attempt(job, max_running=self._config.max_running)
        if begun is None:
            return False
        try:
            self._start(begun)
        except PlatformError as error:
            # It has its place all the same; the next look starts it.
            LOG.warning("%s: not started: %s", job.id, error.message)
        return True

    def _start(self, job: Job) -> None:
        """Start the attempt that has begun; a second call finds what the first one started."""
        folder = self._folder(job)
        write_order(folder, AttemptOrder(job.id, job.project_id, job.fence, job.config, self._files_of(job)))
        try:
            handle = self._runner.start(job, folder)
        except ConfigError as error:
            # No worker group holds it: to try again changes nothing.
            self._fail(job, error.message, code=error.code or "cannot_run")
            return
        self._queue.keep_handle(job, handle)

    def _follow(self, job: Job) -> None:
        handle = self._queue.handle(job)
        if handle is None and self._word(job) is None:
            if job.wanted == "succeeded":
                self._start(job)
                return
            # A controller that died after it had started the attempt has not noted how it is found.
            handle = self._runner.find(job, self._folder(job))
        # Asked first: what is noted before the attempt is gone is then read to its end.
        alive = handle is not None and self._runner.is_alive(handle)
        if alive and job.wanted != "succeeded":
            alive = False
        if not alive and handle is not None:
            # Also where the driver is dead: what it had started must not write beside its successor.
            self._runner.stop(handle)
        self._take_in(job)
        if not alive:
            self._end(job)
        elif handle is not None and (reason := self._waiting.news(job, handle)):
            self._queue.advance(job, "running", told=[Told(f"Not running yet: {reason}", level="warn")])

    def _take_in(self, job: Job) -> None:
        jobs = JobStore(self._database, job.project_id)
        for attempt in jobs.attempts(job.id):
            if attempt.fence < job.fence - 1:
                continue
            file = attempt_folder(job_folder(self._home, job), attempt.fence) / "events.jsonl"
            batch = read_events(file, attempt.events_cursor)
            if batch.events:
                jobs.take_in(
                    job.id,
                    job.fence,
                    [self._plain(event) for event in batch.events],
                    source=attempt.fence,
                    start=attempt.events_cursor,
                    cursor=batch.cursor,
                )

    def _plain(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**event, "message": cut(self._shown(event["message"]))} if "message" in event else event

    def _end(self, job: Job) -> None:
        word = self._word(job)
        if word is not None and word["outcome"] == "trained":
            self._queue.advance(job, "publishing")
        elif job.wanted != "succeeded":
            done: JobState = "cancelled" if job.wanted == "cancelled" else "paused"
            self._queue.stopped(job, done, told=[Told(f"Fine-tuning job {done}")])
        elif word is None:
            self._go_on(job)
        elif word["again"]:
            self._pauses[job.id] = time.monotonic() + _PAUSE_SECONDS
            self._queue.requeue(job, told=[Told(self._shown(word["message"]), level="warn")], outcome="waits")
        else:
            self._fail(job, word["message"], code=word["code"], param=word["param"])

    def _go_on(self, job: Job) -> None:
        """The attempt was lost: killed, or its machine was."""
        stalled = self._stalled_attempts(job)
        if stalled >= self._config.max_stalled_attempts:
            self._fail(
                job,
                f"{stalled} attempts in a row were lost before they had made a single new step. The last one's log: "
                f"{self._folder(job) / 'driver.log'}.",
                code="attempts_lost",
            )
            return
        lost = Told("The attempt was lost; the next one goes on from the newest checkpoint", level="warn")
        self._queue.requeue(job, told=[lost])

    def _stalled_attempts(self, job: Job) -> int:
        """How many attempts in a row, this one with them, were lost before they got further than those before."""
        jobs = JobStore(self._database, job.project_id)
        count = 0
        for attempt in reversed(jobs.attempts(job.id)):
            lost = attempt.fence == job.fence or attempt.outcome == "gone"
            if not lost or attempt.made_progress:
                break
            count += 1
        return count

    def _make_version(self, job: Job) -> None:
        try:
            made = self._beside(job, self._published)
        except (StaleAttemptError, UnavailableError, StorageError):
            raise  # the engine is away, or the disk is full: the next look tries again
        except PlatformError as error:
            self._fail(job, error.message, code=error.code or "publishing_failed")
            return
        if made is not None:
            self._queue.succeed(job, made)

    def _published(self, job: Job) -> Published:
        events = read_events(self._folder(job) / "events.jsonl").events
        prepared = next(event for event in reversed(events) if event["type"] == "prepared")
        return self._publish(job, self._folder(job), prepared["data_hash"])

    def _word(self, job: Job) -> Mapping[str, Any] | None:
        """The newest attempt's last word, if it has said one."""
        return _last_word(read_events(self._folder(job) / "events.jsonl"))

    def _folder(self, job: Job) -> Path:
        return attempt_folder(job_folder(self._home, job), job.fence)


@dataclass(frozen=True, slots=True)
class _Faults:
    """What is wrong with a file of a request, and the field that names it; no message where nothing is."""

    message: str = ""
    param: str = ""


def _named_files(config: TrainConfig) -> dict[str, str]:
    """The files that a job's recipe names, by the request's field."""
    named = {}
    if isinstance(config.data, FileDataConfig):
        named["training_file"] = config.data.path
    if config.validation:
        named["validation_file"] = config.validation.path
    return named


def _last_word(batch: EventBatch) -> Mapping[str, Any] | None:
    return next((event for event in reversed(batch.events) if event["type"] == "ended"), None)
