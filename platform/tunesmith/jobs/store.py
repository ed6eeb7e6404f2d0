"""Jobs and attempts: one id for life, a rising fence, metrics keyed by (job, step).

    job ftjob-a1b2   attempt 1  steps 1..37, killed
                     attempt 2  resumes at 30: steps 31..100 (31..37 replace those of attempt 1), succeeded

Every write of an attempt carries its fence. Once a later attempt has begun, an earlier one's writes are refused:
a run that everybody thought dead can neither change a loss curve nor finish the job a second time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.errors import ConfigError, NotFoundError, StaleAttemptError
from tunesmith.jobs.rows import begin, finish, hold_fence, record_step, tell, to_job
from tunesmith.jobs.telling import Told, tell_of
from tunesmith.records import FINAL_STATES, Job, JobState, StepMetrics
from tunesmith.stores.database import AttemptRow, Database, JobRow, MetricRow


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job.

    Attributes:
        job_id: the job.
        fence: its number; rises with each attempt.
        events_cursor: byte offset up to which its events are taken in.
        outcome: a final state, `paused`, `gone` where it was lost, `waits` where it met no cluster; None while it runs.
        made_progress: whether it measured a step that no attempt before it had measured.
    """

    job_id: str
    fence: int
    events_cursor: int
    outcome: str | None
    made_progress: bool = False


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
                begin(session, row)
            return to_job(row)

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
            return to_job(row)

    def take_in(
        self,
        job_id: str,
        fence: int,
        events: Sequence[Mapping[str, Any]],
        *,
        source: int | None = None,
        start: int = 0,
        cursor: int = 0,
    ) -> None:
        """Take in what an attempt noted, and how far it was read, in one transaction: each event counts once.

        A step measured again replaces the earlier value, unless that is of a later attempt, and is not told again:
        what a zombie noted after its successor had begun fills gaps and changes nothing.

        Args:
            job_id: the job.
            fence: the writer's fence.
            events: as noted, in order.
            source: fence of the attempt whose events these are; the writer's own if unset.
            start: byte offset at which they begin; where another reader was faster, nothing is taken in.
            cursor: byte offset up to which the source's events are taken in.

        Raises:
            StaleAttemptError: a later attempt has begun; nothing was written.
        """
        source = source or fence
        with self._database.session() as session:
            row = hold_fence(session, job_id, fence)
            attempt = session.get_one(AttemptRow, (job_id, source), populate_existing=True)
            if cursor and start != attempt.events_cursor:
                return  # another controller was faster
            tell(
                session, row, [what for event in events if (what := self._take(session, row, source, event))]
            )
            attempt.events_cursor = max(attempt.events_cursor, cursor)

    def _take(self, session: Session, row: JobRow, source: int, event: Mapping[str, Any]) -> Told | None:
        if event["type"] == "step":
            metric = StepMetrics(row.id, event["step"], source, event["values"])
            if not record_step(session, metric, row.project_id):
                return None
            session.get_one(AttemptRow, (row.id, source)).made_progress = True
        if event["type"] == "prepared":
            row.num_steps = event.get("num_steps")
        return tell_of(event)

    def set_state(
        self,
        job_id: str,
        fence: int,
        state: JobState,
        *,
        model: str | None = None,
        error: str | None = None,
        trained_tokens: int | None = None,
        result_files: Sequence[str] = (),
        told: Sequence[Told] = (),
    ) -> Job:
        """Say what was observed of the job.

        Args:
            job_id: the job.
            fence: the writer's fence.
            state: the new state; a final one also ends the attempt.
            model: the registered version, with `succeeded`.
            error: the message, with `failed`.
            trained_tokens: tokens that passed through the model, with `succeeded`.
            result_files: ids of the files that it made, with `succeeded`.
            told: what to tell the job's owner of it.

        Returns:
            The job as it is now.

        Raises:
            StaleAttemptError: a later attempt has begun, or the job has ended; nothing was written.
        """
        with self._database.session() as session:
            row = hold_fence(session, job_id, fence)
            if row.state in FINAL_STATES:
                raise StaleAttemptError(
                    f"{job_id} has {row.state} meanwhile; attempt {fence} cannot make it {state} any more."
                )
            row.state, row.model, row.error = state, model or row.model, error
            row.trained_tokens = trained_tokens or row.trained_tokens
            row.result_files = list(result_files) or row.result_files
            tell(session, row, told)
            if state in FINAL_STATES:
                finish(session, row, state)
            return to_job(row)

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
            return to_job(row)

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        query = select(JobRow).filter_by(project_id=self._project_id)
        with self._database.session() as session:
            return [
                to_job(row) for row in session.scalars(query.order_by(JobRow.created_at.desc(), JobRow.id))
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
                Attempt(row.job_id, row.fence, row.events_cursor, row.outcome, row.made_progress)
                for row in session.scalars(query)
            ]

    def metrics(self, job_id: str, *, steps: Collection[int] | None = None) -> list[StepMetrics]:
        """The loss curve: one entry a step, in order.

        Args:
            job_id: the job.
            steps: only these; None: all.

        Returns:
            What was measured last at each step.
        """
        query = (
            select(MetricRow).filter_by(job_id=job_id, project_id=self._project_id).order_by(MetricRow.step)
        )
        if steps is not None:
            query = query.where(MetricRow.step.in_(steps))
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


def _set_aside(session: Session, row: JobRow) -> None:
    if row.state not in FINAL_STATES:
        row.error = f'Replaced by a new run of the name "{row.name}" (--fresh).'
        finish(session, row, "cancelled")
    row.name = f"{row.name}-replaced-{row.id[-6:]}"
    session.flush()


def _refuse_other_fingerprint(row: JobRow, fingerprint: str) -> None:
    if row.fingerprint != fingerprint:
        raise ConfigError(
            f'name="{row.name}" belongs to {row.id} ({row.state}), which has another recipe or other data. '
            "Use another name (--set name=...), or start over under this one with --fresh.",
            param="name",
        )
