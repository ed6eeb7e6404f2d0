"""Jobs as controllers see them: of all projects, each held by one controller at a time.

A hold is a few seconds long; `renew` prolongs all holds of a controller while it works, however long one step of it
takes. When a controller dies, another one takes its jobs as soon as the holds have run out; nothing else has to be
noticed, told or repaired.

Every write says which controller makes it and in which state it saw the job: where either is not so any more, the
write is refused and changes nothing. So whatever is slow, paused or taken for dead, a job takes each step once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from tunesmith.errors import StaleAttemptError
from tunesmith.jobs.rows import begin, end_attempt, finish, hold_fence, tell, to_job
from tunesmith.jobs.telling import Told, cut
from tunesmith.records import FINAL_STATES, Job, JobState
from tunesmith.stores.database import AttemptRow, Database, JobRow, ModelVersionRow, lock_name

_ACTIVE = ("running", "publishing")
"""States that hold a place."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of an attempt.

    Attributes:
        name: the version's name, still hidden.
        checkpoints: names of versions on the way there, by step, still hidden too.
        trained_tokens: tokens that passed through the model.
        result_files: ids of the files that tell of it.
    """

    name: str
    trained_tokens: int
    result_files: tuple[str, ...]
    checkpoints: Mapping[int, str] = field(default_factory=dict)


class JobQueue:
    """The jobs that a controller drives.

    Args:
        database: the metadata database.
        owner: the controller, as no other one is called.
        hold_seconds: how long a hold lasts.
    """

    def __init__(self, database: Database, *, owner: str, hold_seconds: float = 15.0) -> None:
        self._database = database
        self._owner = owner
        self._hold_seconds = hold_seconds

    @property
    def seconds_between_renewals(self) -> float:
        """How often `renew` has to be called, so that a hold does not run out over one that is late."""
        return self._hold_seconds / 4

    def due(self) -> list[Job]:
        """Jobs that have not ended: those that run first, then the waiting ones in fair order.

        Returns:
            First the jobs of the projects that have the fewest running; of one project, the oldest first.
        """
        query = select(JobRow).where(JobRow.request.is_not(None), JobRow.state.not_in(FINAL_STATES))
        with self._database.session() as session:
            jobs = [to_job(row) for row in session.scalars(query.order_by(JobRow.created_at, JobRow.id))]
        return fair_order(jobs)

    def hold(self, job: Job) -> Job | None:
        """Take a job, or keep it; nothing is written where it is held already.

        Args:
            job: the job as it was seen.

        Returns:
            The job as it is now; None where another controller holds it, or it has ended.
        """
        now = time.time()
        with self._database.session() as session:
            row = session.get(JobRow, job.id)
            if row is None or row.state in FINAL_STATES:
                return None
            if row.held_by == self._owner and (row.held_until or 0.0) > now:
                return to_job(row)
            taken = session.execute(
                update(JobRow)
                .where(JobRow.id == job.id, self._may_take(now), JobRow.state.not_in(FINAL_STATES))
                .values(held_by=self._owner, held_until=now + self._hold_seconds)
                .execution_options(synchronize_session=False)
            )
            if taken.rowcount == 0:  # type: ignore[attr-defined]
                return None
            return to_job(session.get_one(JobRow, job.id, populate_existing=True))

    def renew(self) -> None:
        """Prolong all holds of this controller, in one write; those that another one has taken stay his."""
        mine = (JobRow.held_by == self._owner) & JobRow.state.not_in(FINAL_STATES)
        with self._database.session() as session:
            session.execute(
                update(JobRow)
                .where(mine)
                .values(held_until=time.time() + self._hold_seconds)
                .execution_options(synchronize_session=False)
            )

    def _may_take(self, now: float) -> ColumnElement[bool]:
        # One that ends later than any hold can was written before the clock was set back.
        ends_too_late = JobRow.held_until > now + 2 * self._hold_seconds
        free = or_(JobRow.held_by.is_(None), JobRow.held_until.is_(None), JobRow.held_until < now)
        return or_(JobRow.held_by == self._owner, free, ends_too_late)

    def advance(self, job: Job, state: JobState, *, told: Sequence[Told] = ()) -> None:
        """Move a job on that has no attempt, or from training to publishing.

        Args:
            job: the job as it was seen.
            state: the new state.
            told: what to tell its owner.

        Raises:
            StaleAttemptError: it is not as it was seen any more; nothing was written.
        """
        with self._held(job) as (session, row):
            if row.wanted != job.wanted:
                raise _changed(job, f"it is wanted {row.wanted} now")
            tell(session, row, told)
            _settle(session, row, state)

    def fail(self, job: Job, message: str, *, code: str, param: str | None = None) -> None:
        """End a job that cannot go on.

        Args:
            job: the job as it was seen.
            message: why, and the way out.
            code: the reason, for a program.
            param: the field of the request at fault.

        Raises:
            StaleAttemptError: it is not as it was seen any more; nothing was written.
        """
        message = cut(message)
        with self._held(job) as (session, row):
            row.error, row.error_code, row.error_param = message, code, param
            tell(session, row, [Told(message, level="error")])
            finish(session, row, "failed")

    def begin_attempt(self, job: Job, *, max_running: int) -> Job | None:
        """Begin the next attempt at a job, if there is room.

        Args:
            job: the job as it was seen; no attempt at it runs.
            max_running: jobs of all projects that may train at once.

        Returns:
            The running job with its new fence; None where all places are taken.

        Raises:
            StaleAttemptError: it is not as it was seen any more; nothing was written.
        """
        running = select(func.count()).select_from(JobRow)
        running = running.where(JobRow.request.is_not(None), JobRow.state.in_(_ACTIVE))
        with self._held(job) as (session, row):
            if row.wanted != "succeeded":
                raise _changed(job, f"it is wanted {row.wanted} now")
            lock_name(session, "jobs: places")  # or two controllers would give the last place away twice
            if (session.scalar(running) or 0) >= max_running:
                return None
            begin(session, row)
            return to_job(row)

    def stopped(self, job: Job, state: JobState, *, told: Sequence[Told] = ()) -> None:
        """Note that the attempt of a job was stopped because it was wanted so.

        Args:
            job: the job as it was seen.
            state: `cancelled` or `paused`.
            told: what to tell its owner.

        Raises:
            StaleAttemptError: it is not as it was seen any more; nothing was written.
        """
        with self._held(job) as (session, row):
            if row.wanted != job.wanted:
                # Resumed, or cancelled after a pause, while the attempt was being stopped: the next look sees it.
                end_attempt(session, row, "gone")
                _settle(session, row, "queued")
                return
            tell(session, row, told)
            end_attempt(session, row, state)
            _settle(session, row, state)

    def requeue(self, job: Job, *, told: Sequence[Told], outcome: str = "gone") -> None:
        """Have a job whose attempt is gone wait for the next one; it may be made on another day, elsewhere.

        Args:
            job: the job as it was seen.
            told: what to tell its owner.
            outcome: `gone` where it was lost, `waits` where it met no cluster.

        Raises:
            StaleAttemptError: it is not as it was seen any more; nothing was written.
        """
        with self._held(job) as (session, row):
            tell(session, row, told)
            end_attempt(session, row, outcome)
            _settle(session, row, "queued")

    def succeed(self, job: Job, made: Published) -> None:
        """Make the version's name visible and end the job, in one transaction: both are so, or neither.

        Args:
            job: the job as it was seen, in `publishing`.
            made: what was published.

        Raises:
            StaleAttemptError: it is not as it was seen any more, or is wanted cancelled; nothing was written.
        """
        with self._held(job) as (session, row):
            if row.wanted == "cancelled":
                raise _changed(job, "it is wanted cancelled now")
            for name in (*made.checkpoints.values(), made.name):
                version = session.get(ModelVersionRow, name)
                if version is not None:
                    version.hidden = False
            row.model, row.error, row.error_code, row.error_param = made.name, None, None, None
            row.trained_tokens, row.result_files = made.trained_tokens, list(made.result_files)
            kept = [
                Told(f"Checkpoint of step {step} answers as {name}")
                for step, name in made.checkpoints.items()
            ]
            ready = Told(f"New fine-tuned model created: {made.name}")
            tell(session, row, [*kept, ready, Told("The job has successfully completed")])
            finish(session, row, "succeeded")

    def keep_handle(self, job: Job, handle: Mapping[str, Any]) -> None:
        """Note how a runner finds the attempt again.

        Args:
            job: the job with the attempt's fence.
            handle: JSON values.

        Raises:
            StaleAttemptError: it is not as it was seen any more; nothing was written.
        """
        with self._held(job) as (session, _):
            session.get_one(AttemptRow, (job.id, job.fence)).handle = dict(handle)

    @contextmanager
    def _held(self, job: Job) -> Iterator[tuple[Session, JobRow]]:
        """A transaction on a job that is as it was seen, and held by this controller."""
        with self._database.session() as session:
            row = hold_fence(session, job.id, job.fence)
            if row.state != job.state:
                raise _changed(job, f"it is {row.state} now")
            if row.held_by != self._owner:
                raise _changed(job, f"it is held by {row.held_by or 'nobody'} now")
            yield session, row

    def handle(self, job: Job) -> Mapping[str, Any] | None:
        """How a runner finds the newest attempt; None where it was not started, or its controller died starting it.

        Args:
            job: the job.

        Returns:
            The handle.
        """
        with self._database.session() as session:
            attempt = session.get(AttemptRow, (job.id, job.fence))
            if attempt is None:
                raise StaleAttemptError(f"Job {job.id} has no attempt {job.fence}.")
            return attempt.handle


def _settle(session: Session, row: JobRow, state: JobState) -> None:
    if state in FINAL_STATES:
        finish(session, row, state)
        return
    row.state = state
    if state in ("queued", "paused"):
        # It waits, and any controller that has room may go on.
        row.held_by = row.held_until = None


def _changed(job: Job, how: str) -> StaleAttemptError:
    return StaleAttemptError(
        f"{job.id} was seen {job.state} in attempt {job.fence}, but {how}; the write was refused."
    )


def fair_order(jobs: Sequence[Job]) -> list[Job]:
    """Put jobs into the order in which they shall get room.

    Args:
        jobs: oldest first.

    Returns:
        Those that run already; then turn by turn one of each project, the project with the fewest running first.
    """
    active = [job for job in jobs if job.state in _ACTIVE]
    waiting = [job for job in jobs if job.state not in _ACTIVE]
    turns = Counter(job.project_id for job in active)
    ranked = []
    for job in waiting:
        ranked.append((turns[job.project_id], job.created_at, job.id, job))
        turns[job.project_id] += 1
    return [*active, *(job for *_, job in sorted(ranked, key=lambda entry: entry[:3]))]
