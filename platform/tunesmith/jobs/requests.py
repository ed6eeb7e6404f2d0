"""Jobs as they are asked for through the API: submitted, listed, told of, cancelled, paused and resumed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from tunesmith.errors import ConflictError, LimitError, NotFoundError
from tunesmith.jobs.rows import finish, lock_job, tell, to_job
from tunesmith.jobs.telling import Told
from tunesmith.records import FINAL_STATES, Job, JobEvent, WantedState
from tunesmith.stores.database import Database, JobEventRow, JobRow, lock_name

Item = TypeVar("Item")
_ROWS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A stretch of a list, and whether there is more after it."""

    items: tuple[Item, ...]
    has_more: bool


def new_job_id() -> str:
    """An id that no other job has."""
    return f"ftjob-{secrets.token_hex(12)}"


class JobRequests:
    """The jobs of one project, as its members ask for them.

    Args:
        database: the metadata database.
        project_id: the project.
    """

    def __init__(self, database: Database, project_id: str) -> None:
        self._database = database
        self._project_id = project_id

    def submit(
        self,
        job_id: str,
        *,
        request: Mapping[str, Any],
        config: Mapping[str, Any],
        max_active: int | None = None,
    ) -> Job:
        """Ask for a job; a controller will see it and begin.

        Args:
            job_id: from `new_job_id`; also the name of its run.
            request: what was asked, as the API shows it again.
            config: the resolved recipe.
            max_active: most jobs of the project that may not have ended, with this one.

        Returns:
            The job, in `validating_files`.

        Raises:
            LimitError: the project has that many already.
        """
        with self._database.session() as session:
            if max_active is not None:
                self._require_room(session, max_active)
            row = JobRow(
                id=job_id,
                project_id=self._project_id,
                name=job_id,
                wanted="succeeded",
                state="validating_files",
                fence=0,
                fingerprint="",
                config=dict(config),
                request=dict(request),
                created_at=int(time.time()),
            )
            session.add(row)
            session.flush()
            tell(session, row, [Told(f"Created fine-tuning job: {job_id}"), Told("Validating training file")])
            return to_job(row)

    def job(self, job_id: str) -> Job:
        """Look up a job.

        Args:
            job_id: its id.

        Returns:
            The job.

        Raises:
            NotFoundError: the project has no such job.
        """
        with self._database.session() as session:
            return to_job(self._row(session, job_id))

    def list(
        self, *, after: str | None = None, limit: int = 20, metadata: Mapping[str, str] | None = None
    ) -> Page[Job]:
        """Jobs, newest first.

        Args:
            after: id of the job that the page starts after.
            limit: jobs on a page.
            metadata: only jobs whose request has these pairs.

        Returns:
            The page.

        Raises:
            NotFoundError: there is no job `after`.
        """
        query: Select[Any] = select(JobRow).where(JobRow.request.is_not(None))
        query = query.where(JobRow.project_id == self._project_id)
        with self._database.session() as session:
            if after:
                query = _older_than(query, self._row(session, after))
            query = query.order_by(JobRow.created_at.desc(), JobRow.id.desc())
            rows = session.scalars(query.execution_options(yield_per=_ROWS_AT_ONCE))
            # Looked at here: databases differ in what they take for the name of a JSON field.
            found = [to_job(row) for row in islice(_having(rows, metadata or {}), limit + 1)]
        return Page(tuple(found[:limit]), len(found) > limit)

    def events(self, job_id: str, *, after: int | None = None, limit: int = 20) -> Page[JobEvent]:
        """What the owner of a job was told, newest first.

        Args:
            job_id: the job.
            after: number of the event that the page starts after (it goes back in time).
            limit: events on a page.

        Returns:
            The page.

        Raises:
            NotFoundError: the project has no such job.
        """
        with self._database.session() as session:
            self._row(session, job_id)
            query = select(JobEventRow).filter_by(job_id=job_id)
            if after is not None:
                query = query.where(JobEventRow.number < after)
            rows = list(session.scalars(query.order_by(JobEventRow.number.desc()).limit(limit + 1)))
            return Page(tuple(_to_event(row) for row in rows[:limit]), len(rows) > limit)

    def want(self, job_id: str, wanted: WantedState) -> Job:
        """Say what shall become of a job; a controller makes it true.

        Args:
            job_id: the job.
            wanted: `cancelled`, `paused`, or `succeeded` to go on after a pause.

        Returns:
            The job. One that waits ends or pauses at once, a running one as soon as its attempt is stopped.

        Raises:
            NotFoundError: the project has no such job.
            ConflictError: it has ended, or is not paused and shall be resumed.
        """
        with self._database.session() as session:
            self._row(session, job_id)
            row = lock_job(session, job_id)
            _require_possible(row, wanted)
            row.wanted = wanted
            if wanted == "succeeded" and row.state == "paused":
                row.state = "queued"
                tell(session, row, [Told("Fine-tuning job resumed")])
            elif row.state in ("validating_files", "queued", "paused"):
                _settle_waiting(session, row, wanted)
            return to_job(row)

    def _require_room(self, session: Session, max_active: int) -> None:
        lock_name(
            session, f"jobs of {self._project_id}"
        )  # or requests that come together would all find room
        query = select(func.count()).select_from(JobRow).filter_by(project_id=self._project_id)
        query = query.where(JobRow.request.is_not(None), JobRow.state.not_in(FINAL_STATES))
        if (session.scalar(query) or 0) >= max_active:
            raise LimitError(
                f"{max_active} fine-tuning jobs of this project have not ended, which is as many as there may be "
                "(jobs.max_active_per_project). Wait for one, or cancel one: POST /v1/fine_tuning/jobs/ID/cancel.",
                code="too_many_active_jobs",
            )

    def _row(self, session: Session, job_id: str) -> JobRow:
        row = session.get(JobRow, job_id)
        if row is None or row.project_id != self._project_id or row.request is None:
            raise NotFoundError(
                f"No fine-tuning job with id '{job_id}' exists. GET /v1/fine_tuning/jobs lists those that do.",
                param="fine_tuning_job_id",
                code="fine_tune_not_found",
            )
        return row


def _having(rows: Iterable[JobRow], metadata: Mapping[str, str]) -> Iterator[JobRow]:
    for row in rows:
        kept = (row.request or {}).get("metadata") or {}
        if all(kept.get(key) == value for key, value in metadata.items()):
            yield row


def _older_than(query: Select[Any], row: JobRow) -> Select[Any]:
    older = JobRow.created_at < row.created_at
    return query.where(or_(older, and_(JobRow.created_at == row.created_at, JobRow.id < row.id)))


def _require_possible(row: JobRow, wanted: WantedState) -> None:
    if row.state in FINAL_STATES:
        raise ConflictError(
            f"Job {row.id} has {row.state}; it cannot be {_PAST[wanted]} any more.", code="job_ended"
        )
    if row.wanted == "cancelled" and wanted != "cancelled":
        raise ConflictError(f"Job {row.id} is being cancelled; it cannot be {_PAST[wanted]} any more.")
    if wanted == "succeeded" and row.wanted != "paused":
        raise ConflictError(f"Job {row.id} is {row.state}, not paused: there is nothing to resume.")


def _settle_waiting(session: Session, row: JobRow, wanted: WantedState) -> None:
    if wanted == "cancelled":
        tell(session, row, [Told("Fine-tuning job cancelled")])
        finish(session, row, "cancelled")
    elif wanted == "paused" and row.state == "queued":
        row.state = "paused"
        tell(session, row, [Told("Fine-tuning job paused")])


def _to_event(row: JobEventRow) -> JobEvent:
    return JobEvent(
        job_id=row.job_id,
        number=row.number,
        created_at=row.created_at,
        message=row.message,
        level=row.level,  # type: ignore[arg-type]
        type=row.type,  # type: ignore[arg-type]
        data=row.data,
    )


_PAST = {"cancelled": "cancelled", "paused": "paused", "succeeded": "resumed"}
