"""Rows of jobs, attempts and events. Each function is a part of its caller's transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import get_args

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tunesmith.errors import StaleAttemptError
from tunesmith.jobs.telling import Told
from tunesmith.records import FINAL_STATES, Job, JobState, StepMetrics
from tunesmith.stores.database import AttemptRow, JobEventRow, JobRow, MetricRow


def lock_job(session: Session, job_id: str) -> JobRow:
    """Take the write lock of a job: until the transaction ends, nobody else changes it.

    Args:
        session: the transaction.
        job_id: the job.

    Returns:
        Its row as it is now.
    """
    # A write, not `FOR UPDATE`, which SQLite does not know.
    mine = update(JobRow).where(JobRow.id == job_id).values(fence=JobRow.fence)
    session.execute(mine.execution_options(synchronize_session=False))
    return session.get_one(JobRow, job_id, populate_existing=True)


def hold_fence(session: Session, job_id: str, fence: int) -> JobRow:
    """Take the write lock of a job for one of its attempts.

    Args:
        session: the transaction.
        job_id: the job.
        fence: the writer's fence.

    Returns:
        Its row.

    Raises:
        StaleAttemptError: a later attempt has begun.
    """
    row = lock_job(session, job_id)
    if row.fence != fence:
        raise StaleAttemptError(
            f"Attempt {fence} of {job_id} was replaced by attempt {row.fence}; its write was refused. "
            "Only one process may drive a job: let the newer one run."
        )
    return row


def begin(session: Session, row: JobRow) -> None:
    """Begin the next attempt; the fence rises.

    Args:
        session: the transaction; it holds the job.
        row: the job.
    """
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


def end_attempt(session: Session, row: JobRow, outcome: str) -> None:
    """Note how the newest attempt ended, if it has not ended before.

    Args:
        session: the transaction; it holds the job.
        row: the job.
        outcome: a state, or `gone`.
    """
    attempt = session.get(AttemptRow, (row.id, row.fence))
    if attempt is not None and attempt.outcome is None:
        attempt.finished_at, attempt.outcome = int(time.time()), outcome


def finish(session: Session, row: JobRow, state: JobState) -> None:
    """End a job and its newest attempt.

    Args:
        session: the transaction; it holds the job.
        row: the job.
        state: a final one.
    """
    assert state in FINAL_STATES
    row.state, row.finished_at = state, int(time.time())
    row.held_by = row.held_until = None
    end_attempt(session, row, state)


def tell(session: Session, row: JobRow, told: Sequence[Told]) -> None:
    """Append to what the job's owner is told.

    Args:
        session: the transaction; it holds the job, so that numbers have no gap and no repeat.
        row: the job.
        told: what, in order.
    """
    if not told:
        return
    last = session.scalar(select(func.max(JobEventRow.number)).filter_by(job_id=row.id)) or 0
    session.add_all(
        JobEventRow(
            job_id=row.id,
            number=number,
            project_id=row.project_id,
            fence=row.fence,
            created_at=what.created_at or int(time.time()),
            level=what.level,
            type=what.type,
            message=what.message,
            data=dict(what.data),
        )
        for number, what in enumerate(told, last + 1)
    )


def record_step(session: Session, metric: StepMetrics, project_id: str) -> bool:
    """Keep what was measured at a step; a later attempt's value replaces an earlier one's, never the other way.

    Args:
        session: the transaction.
        metric: what was measured.
        project_id: the job's project.

    Returns:
        Whether the step was measured for the first time.
    """
    row = session.get(MetricRow, (metric.job_id, metric.step))
    is_new = row is None
    if row is None:
        row = MetricRow(job_id=metric.job_id, step=metric.step, fence=0, project_id=project_id)
        session.add(row)
    if row.fence <= metric.fence:
        row.fence, row.values = metric.fence, dict(metric.values)
    return is_new


def to_job(row: JobRow) -> Job:
    """A job's row as a noun.

    Args:
        row: the row.

    Returns:
        The job.
    """
    assert row.state in get_args(JobState)
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
        wanted=row.wanted,  # type: ignore[arg-type]
        request=row.request,
        finished_at=row.finished_at,
        error_code=row.error_code,
        error_param=row.error_param,
        trained_tokens=row.trained_tokens,
        result_files=tuple(row.result_files or ()),
        num_steps=row.num_steps,
    )
