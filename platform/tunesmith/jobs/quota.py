"""GPU hours of a project: the time of its attempts and submissions, times their workers, in the calendar month (UTC).

Every worker holds one GPU where there are GPUs. On a machine without any, the hours of its workers are counted all the
same, so that a quota means the same everywhere: hours of workers.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from tunesmith.errors import InsufficientQuotaError
from tunesmith.stores.database import AttemptRow, Database, JobRow, SubmissionRow
from tunesmith.stores.limits import LimitStore


def used_gpu_hours(database: Database, project_id: str, *, now: float | None = None) -> float:
    """Sum up what a project's attempts and submissions took this month, those that run included.

    Args:
        database: the metadata database.
        project_id: the project.
        now: Unix seconds, if not this moment.

    Returns:
        Hours of workers since the month began.
    """
    now = time.time() if now is None else now
    moment = time.gmtime(now)
    began = calendar.timegm((moment.tm_year, moment.tm_mon, 1, 0, 0, 0))
    (hours,) = gpu_hours(database, [(began, now)], project_ids=[project_id], now=now)
    return hours.get(project_id, 0.0)


def gpu_hours(
    database: Database,
    spans: Sequence[tuple[float, float]],
    *,
    project_ids: Sequence[str] | None = None,
    now: float | None = None,
) -> list[dict[str, float]]:
    """Sum up what attempts and submissions took in each of several spans of time, those that run included.

    Args:
        database: the metadata database.
        spans: begin and end of each, Unix seconds.
        project_ids: only of these projects, where not of all.
        now: Unix seconds, if not this moment.

    Returns:
        For each span, hours of workers by project.
    """
    now = time.time() if now is None else now
    hours: list[dict[str, float]] = [{} for _ in spans]
    if not spans:
        return hours
    first, last = min(begin for begin, _ in spans), max(end for _, end in spans)
    with database.session() as session:
        for project, started, finished, workers in _held(session, first, last):
            if project_ids is not None and project not in project_ids:
                continue
            ended = now if finished is None else finished
            for (begin, end), found in zip(spans, hours, strict=True):
                seconds = min(ended, end) - max(started, begin)
                if seconds > 0:
                    found[project] = found.get(project, 0.0) + seconds * workers / 3600
    return hours


def _held(session: Session, first: float, last: float) -> Iterator[tuple[str, float, float | None, int]]:
    """Who held workers between two moments: project, begin, end (None: goes on) and their number."""
    attempts = (
        select(AttemptRow.project_id, AttemptRow.started_at, AttemptRow.finished_at, JobRow.config)
        .join(JobRow, JobRow.id == AttemptRow.job_id)
        .where(
            AttemptRow.started_at < last,
            or_(AttemptRow.finished_at.is_(None), AttemptRow.finished_at > first),
        )
    )
    for project, started, finished, config in session.execute(attempts):
        yield project, started, finished, _workers(config.get("resources"))
    began, ended = SubmissionRow.started_ms, SubmissionRow.ended_ms
    submissions = select(SubmissionRow.project_id, began, ended, SubmissionRow.resources).where(
        began < last * 1000, or_(ended.is_(None), ended > first * 1000)
    )
    for project, began_ms, ended_ms, resources in session.execute(submissions):
        yield project, began_ms / 1000, ended_ms and ended_ms / 1000, _workers(resources)


def _workers(resources: object) -> int:
    return int(resources.get("num_workers", 1)) if isinstance(resources, dict) else 1


def require_gpu_hours(database: Database, limits: LimitStore, project_id: str) -> None:
    """Refuse a new job or submission where the quota is used up; those that were taken go on to their end.

    Args:
        database: the metadata database.
        limits: knows the quota.
        project_id: the project.

    Raises:
        InsufficientQuotaError: nothing is left for this month.
    """
    quota = limits.project(project_id).gpu_hours_per_month
    if quota is None:
        return
    used = used_gpu_hours(database, project_id)
    if used >= quota:
        raise InsufficientQuotaError(
            f"This project has used {used:.2f} of its {quota:g} GPU hours of this month. Wait for the next one (UTC), "
            "or ask an administrator for more: `tunesmith projects limit --gpu-hours`."
        )
