"""Jobs and attempts: one id for life, a rising fence, metrics keyed by (job, step).

    job ftjob-a1b2   attempt 1  steps 1..37, killed
                     attempt 2  resumes at 30: steps 31..100 (31..37 replace those of attempt 1), succeeded

Every write of an attempt carries its fence. Once a later attempt has begun, an earlier one's writes are refused:
a run that everybody thought dead can neither change a loss curve nor finish the job a second time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tunesmith.errors import ConfigError, NotFoundError, StaleAttemptError
from tunesmith.records import Job, JobState, StepMetrics
from tunesmith.stores.database import AttemptRow, Database, JobRow, MetricRow

_FINAL_STATES = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job.

    Attributes:
        job_id: the job.
        fence: its number; rises with each attempt.
        events_cursor: byte offset up to which its events are taken in.
        outcome: `succeeded`, `failed` or `cancelled`; None while it runs, and where it was killed.
    """

    job_id: str
    fence: int
    events_cursor: int
    outcome: str | None


class JobStore:
    """The jobs of one project.

    Args:
        database: the metadata database.
        project_id: the project whose jobs are seen.
    """

    def __init__(self, database: Database, project_id: str) -> None:
        self._database = database
        self._project_id = project_id

    def begin_attempt(
        self, name: str, *, fingerprint: str, config: Mapping[str, Any], fresh: bool = False
    ) -> Job:
        """Make the job of this name, or go on with it; its fence is this attempt's.

        Args:
            name: the run's name.
            fingerprint: hash of what must stay equal for a resume.
            config: the resolved recipe.
            fresh: set an earlier job of this name aside under another name, and make a new one; one that has not
                ended is cancelled, for nobody will drive it again.

        Returns:
            The running job. One that has succeeded is returned as it is, and no attempt begins.

        Raises:
            ConfigError: the name belongs to a run with another recipe or other data.
        """
        with self._database.session() as session:
            row = session.scalar(select(JobRow).filter_by(project_id=self._project_id, name=name))
            if row is not None and fresh:
                _set_aside(session, row)
                row = None
            if row is None:
                row = self._new_job(session, name, fingerprint, config)
            _refuse_other_fingerprint(row, fingerprint)
            if row.state != "succeeded":
                _begin(session, row)
            return _to_job(row)

    def resumable(self, name: str, *, fingerprint: str) -> Job | None:
        """See what stands under a name, before any work is done for it.

        Args:
            name: the run's name.
            fingerprint: hash of what must stay equal for a resume.

        Returns:
            The job of this name, or None.

        Raises:
            ConfigError: the name belongs to a run with another recipe or other data.
        """
        with self._database.session() as session:
            row = session.scalar(select(JobRow).filter_by(project_id=self._project_id, name=name))
            if row is None:
                return None
            _refuse_other_fingerprint(row, fingerprint)
            return _to_job(row)

    def record(
        self,
        job_id: str,
        fence: int,
        metrics: Sequence[StepMetrics],
        *,
        source: int | None = None,
        cursor: int = 0,
    ) -> None:
        """Take in what was measured, and how far the events were read, in one transaction.

        Args:
            job_id: the job.
            fence: the writer's fence.
            metrics: measured values; a step measured again replaces the earlier value, unless that is of a later
                attempt: what a zombie told after its successor had begun fills gaps and changes nothing.
            source: fence of the attempt whose events these are; the writer's own if unset.
            cursor: byte offset up to which the source's events are taken in.

        Raises:
            StaleAttemptError: a later attempt has begun; nothing was written.
        """
        with self._database.session() as session:
            self._hold(session, job_id, fence)
            for metric in metrics:
                _record_step(session, metric, self._project_id)
            attempt = session.get_one(AttemptRow, (job_id, source or fence))
            attempt.events_cursor = max(attempt.events_cursor, cursor)

    def set_state(
        self, job_id: str, fence: int, state: JobState, *, model: str | None = None, error: str | None = None
    ) -> Job:
        """Say what was observed of the job.

        Args:
            job_id: the job.
            fence: the writer's fence.
            state: the new state; a final one also ends the attempt.
            model: the registered version, with `succeeded`.
            error: the message, with `failed`.

        Returns:
            The job as it is now.

        Raises:
            StaleAttemptError: a later attempt has begun; nothing was written.
        """
        with self._database.session() as session:
            row = self._hold(session, job_id, fence)
            row.state, row.model, row.error = state, model or row.model, error
            if state in _FINAL_STATES:
                _end(session, row)
            return _to_job(row)

    def job(self, name: str) -> Job:
        """Look up a job.

        Args:
            name: its name or id.

        Returns:
            The job.

        Raises:
            NotFoundError: the project has no such job.
        """
        by_name = select(JobRow).filter_by(project_id=self._project_id)
        with self._database.session() as session:
            row = session.scalar(by_name.where((JobRow.name == name) | (JobRow.id == name)))
            if row is None:
                raise NotFoundError(f'Job "{name}" does not exist. `tunesmith jobs ls` lists those that do.')
            return _to_job(row)

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        query = select(JobRow).filter_by(project_id=self._project_id)
        with self._database.session() as session:
            return [
                _to_job(row) for row in session.scalars(query.order_by(JobRow.created_at.desc(), JobRow.id))
            ]

    def attempts(self, job_id: str) -> list[Attempt]:
        """All attempts at a job, oldest first.

        Args:
            job_id: the job.

        Returns:
            Its attempts.
        """
        query = (
            select(AttemptRow)
            .filter_by(job_id=job_id, project_id=self._project_id)
            .order_by(AttemptRow.fence)
        )
        with self._database.session() as session:
            return [
                Attempt(row.job_id, row.fence, row.events_cursor, row.outcome)
                for row in session.scalars(query)
            ]

    def metrics(self, job_id: str) -> list[StepMetrics]:
        """The loss curve: one entry a step, in order.

        Args:
            job_id: the job.

        Returns:
            What was measured last at each step.
        """
        query = (
            select(MetricRow).filter_by(job_id=job_id, project_id=self._project_id).order_by(MetricRow.step)
        )
        with self._database.session() as session:
            return [
                StepMetrics(row.job_id, row.step, row.fence, row.values) for row in session.scalars(query)
            ]

    def _new_job(self, session: Session, name: str, fingerprint: str, config: Mapping[str, Any]) -> JobRow:
        row = JobRow(
            id=f"ftjob-{secrets.token_hex(12)}",
            project_id=self._project_id,
            name=name,
            wanted="succeeded",
            state="queued",
            fence=0,
            fingerprint=fingerprint,
            config=dict(config),
            created_at=int(time.time()),
        )
        session.add(row)
        session.flush()
        return row

    def _hold(self, session: Session, job_id: str, fence: int) -> JobRow:
        # The check is itself a write: it takes the database's write lock, so that no later attempt can begin
        # between the check and what follows in this transaction.
        mine = update(JobRow).where(JobRow.id == job_id, JobRow.fence == fence).values(fence=fence)
        held = session.execute(mine.execution_options(synchronize_session=False))
        row = session.get_one(JobRow, job_id)
        if held.rowcount == 0:  # type: ignore[attr-defined]
            raise StaleAttemptError(
                f"Attempt {fence} of {job_id} was replaced by attempt {row.fence}; its write was refused. "
                "Only one process may drive a job: let the newer one run."
            )
        return row


def _begin(session: Session, row: JobRow) -> None:
    raised = update(JobRow).where(JobRow.id == row.id).values(fence=JobRow.fence + 1)
    session.execute(raised.execution_options(synchronize_session=False))
    session.refresh(row)
    row.state, row.error, row.finished_at = "running", None, None
    session.add(
        AttemptRow(
            job_id=row.id,
            fence=row.fence,
            project_id=row.project_id,
            started_at=int(time.time()),
            events_cursor=0,
        )
    )


def _end(session: Session, row: JobRow) -> None:
    row.finished_at = int(time.time())
    attempt = session.get_one(AttemptRow, (row.id, row.fence))
    attempt.finished_at, attempt.outcome = row.finished_at, row.state


def _set_aside(session: Session, row: JobRow) -> None:
    if row.state not in _FINAL_STATES:
        row.state, row.error = "cancelled", f'Replaced by a new run of the name "{row.name}" (--fresh).'
        _end(session, row)
    row.name = f"{row.name}-replaced-{row.id[-6:]}"
    session.flush()


def _refuse_other_fingerprint(row: JobRow, fingerprint: str) -> None:
    if row.fingerprint != fingerprint:
        raise ConfigError(
            f'name="{row.name}" belongs to {row.id} ({row.state}), which has another recipe or other data. '
            "Use another name (--set name=...), or start over under this one with --fresh.",
            param="name",
        )


def _record_step(session: Session, metric: StepMetrics, project_id: str) -> None:
    row = session.get(MetricRow, (metric.job_id, metric.step))
    if row is None:
        row = MetricRow(job_id=metric.job_id, step=metric.step, fence=0, project_id=project_id)
        session.add(row)
    if row.fence <= metric.fence:
        row.fence, row.values = metric.fence, dict(metric.values)


def _to_job(row: JobRow) -> Job:
    return Job(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        state=row.state,  # type: ignore[arg-type]
        fence=row.fence,
        fingerprint=row.fingerprint,
        config=row.config,
        created_at=row.created_at,
        model=row.model,
        error=row.error,
    )
