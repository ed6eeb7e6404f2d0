"""Jobs as controllers see them: of all projects, each held by one controller at a time.

A hold is a few seconds long and is renewed while its controller works. When a controller dies, another one takes its
jobs as soon as the holds have run out; nothing else has to be noticed, told or repaired.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select, update

from tunesmith.errors import StaleAttemptError
from tunesmith.jobs.rows import begin, end_attempt, finish, hold_fence, lock_job, tell, to_job
from tunesmith.jobs.telling import Told
from tunesmith.records import FINAL_STATES, Job, JobState
from tunesmith.stores.database import AttemptRow, Database, JobRow


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
        """Take a job, or keep it.

        Args:
            job: the job as it was seen.

        Returns:
            The job as it is now; None where another controller holds it.
        """
        now = time.time()
        mine = or_(JobRow.held_by == self._owner, JobRow.held_until.is_(None), JobRow.held_until < now)
        with self._database.session() as session:
            taken = session.execute(
                update(JobRow)
                .where(JobRow.id == job.id, mine, JobRow.state.not_in(FINAL_STATES))
                .values(held_by=self._owner, held_until=now + self._hold_seconds)
                .execution_options(synchronize_session=False)
            )
            if taken.rowcount == 0:  # type: ignore[attr-defined]
                return None
            return to_job(session.get_one(JobRow, job.id))

    def advance(self, job: Job, state: JobState, *, told: Sequence[Told] = ()) -> None:
        """Move a job on that has no attempt; nothing happens where it is not in the seen state any more.

        Args:
            job: the job as it was seen.
            state: the new state.
            told: what to tell its owner.
        """
        with self._database.session() as session:
            row = lock_job(session, job.id)
            if (row.state, row.fence, row.wanted) != (job.state, job.fence, job.wanted):
                return
            tell(session, row, told)
            if state in FINAL_STATES:
                finish(session, row, state)
            row.state = state

    def fail(self, job: Job, message: str, *, code: str, param: str | None = None) -> None:
        """End a job that cannot go on.

        Args:
            job: the job as it was seen.
            message: why, and the way out.
            code: the reason, for a program.
            param: the field of the request at fault.
        """
        with self._database.session() as session:
            row = hold_fence(session, job.id, job.fence)
            if row.state in FINAL_STATES:
                return
            row.error, row.error_code, row.error_param = message, code, param
            tell(session, row, [Told(message, level="error")])
            finish(session, row, "failed")

    def begin_attempt(self, job: Job) -> Job | None:
        """Begin the next attempt at a job.

        Args:
            job: the job as it was seen; no attempt at it runs.

        Returns:
            The running job with its new fence; None where it is not as it was seen any more.
        """
        with self._database.session() as session:
            row = lock_job(session, job.id)
            if (row.state, row.fence, row.wanted) != (job.state, job.fence, "succeeded"):
                return None
            begin(session, row)
            return to_job(row)

    def stopped(self, job: Job, state: JobState, *, told: Sequence[Told] = ()) -> None:
        """Note that the attempt of a job was stopped because it was wanted so.

        Args:
            job: the job as it was seen.
            state: `cancelled` or `paused`.
            told: what to tell its owner.
        """
        with self._database.session() as session:
            row = hold_fence(session, job.id, job.fence)
            if row.wanted != job.wanted:
                # Resumed, or cancelled after a pause, while the attempt was being stopped: the next look sees it.
                end_attempt(session, row, "gone")
                row.state = "queued"
                return
            tell(session, row, told)
            end_attempt(session, row, state)
            if state in FINAL_STATES:
                finish(session, row, state)
            row.state = state

    def requeue(self, job: Job, *, told: Sequence[Told], outcome: str = "gone") -> None:
        """Have a job whose attempt is gone wait for the next one; it may be made on another day, elsewhere.

        Args:
            job: the job as it was seen.
            told: what to tell its owner.
            outcome: `gone` where it was lost, `waits` where it met no cluster.
        """
        with self._database.session() as session:
            row = hold_fence(session, job.id, job.fence)
            tell(session, row, told)
            end_attempt(session, row, outcome)
            row.state = "queued"

    def keep_handle(self, job: Job, handle: Mapping[str, Any]) -> None:
        """Note how a runner finds the attempt again.

        Args:
            job: the job with the attempt's fence.
            handle: JSON values.

        Raises:
            StaleAttemptError: a later attempt has begun.
        """
        with self._database.session() as session:
            hold_fence(session, job.id, job.fence)
            session.get_one(AttemptRow, (job.id, job.fence)).handle = dict(handle)

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


def fair_order(jobs: Sequence[Job]) -> list[Job]:
    """Put jobs into the order in which they shall get room.

    Args:
        jobs: oldest first.

    Returns:
        Those that run already; then turn by turn one of each project, the project with the fewest running first.
    """
    active = [job for job in jobs if job.state in ("running", "publishing")]
    waiting = [job for job in jobs if job.state not in ("running", "publishing")]
    turns = Counter(job.project_id for job in active)
    ranked = []
    for job in waiting:
        ranked.append((turns[job.project_id], job.created_at, job.id, job))
        turns[job.project_id] += 1
    return [*active, *(job for *_, job in sorted(ranked, key=lambda entry: entry[:3]))]
