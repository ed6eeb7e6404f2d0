"""Read what attempts tell into the database, each line once, and pass it on to whoever watches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tunesmith.jobs.events import read_events
from tunesmith.jobs.folders import attempt_folder
from tunesmith.jobs.store import JobStore
from tunesmith.records import Job


class Watcher(Protocol):
    """Shows a run to a person."""

    def event(self, event: Mapping[str, Any]) -> None:
        """Show one event.

        Args:
            event: as the worker wrote it; `type` says what it is.
        """
        ...


class Follower:
    """Takes the events of one attempt in.

    Args:
        jobs: the project's jobs.
        job: the job, with this attempt's fence.
        job_folder: the job's folder in the object store.
        watcher: whom to show the events.
    """

    def __init__(self, jobs: JobStore, job: Job, job_folder: Path, watcher: Watcher) -> None:
        self._jobs = jobs
        self._job = job
        self._job_folder = job_folder
        self._watcher = watcher
        self._cursor = 0

    def take_in(self) -> Mapping[str, Any] | None:
        """Read this attempt's new events.

        Returns:
            A `failed` event, if one is among them.

        Raises:
            StaleAttemptError: a later attempt has begun.
        """
        batch = read_events(attempt_folder(self._job_folder, self._job.fence) / "events.jsonl", self._cursor)
        if not batch.events:
            return None
        self._jobs.take_in(
            self._job.id, self._job.fence, batch.events, start=self._cursor, cursor=batch.cursor
        )
        self._cursor = batch.cursor
        for event in batch.events:
            self._watcher.event(event)
        return next((event for event in batch.events if event["type"] == "failed"), None)

    def take_in_earlier(self) -> None:
        """Read what earlier attempts told after their driver was killed: it fills gaps only."""
        for attempt in self._jobs.attempts(self._job.id):
            if attempt.fence != self._job.fence:
                file = attempt_folder(self._job_folder, attempt.fence) / "events.jsonl"
                batch = read_events(file, attempt.events_cursor)
                self._jobs.take_in(
                    self._job.id,
                    self._job.fence,
                    batch.events,
                    source=attempt.fence,
                    start=attempt.events_cursor,
                    cursor=batch.cursor,
                )
