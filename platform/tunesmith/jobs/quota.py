"""GPU hours of a project: the time of its attempts, times their workers, in the calendar month (UTC).

Every worker holds one GPU where there are GPUs. On a machine without any, the hours of its workers are counted all the
same, so that a quota means the same everywhere: hours of workers.
"""

from __future__ import annotations

import calendar
import time

from sqlalchemy import or_, select

from tunesmith.errors import InsufficientQuotaError
from tunesmith.stores.database import AttemptRow, Database, JobRow
from tunesmith.stores.limits import LimitStore


def used_gpu_hours(database: Database, project_id: str, *, now: float | None = None) -> float:
    """Sum up what a project's attempts took this month, those that run included.

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
    query = (
        select(AttemptRow.started_at, AttemptRow.finished_at, JobRow.config)
        .join(JobRow, JobRow.id == AttemptRow.job_id)
        .where(
            AttemptRow.project_id == project_id,
            or_(AttemptRow.finished_at.is_(None), AttemptRow.finished_at > began),
        )
    )
    with database.session() as session:
        seconds: float = sum(
            max(0.0, (now if finished is None else finished) - max(started, began)) * _workers(config)
            for started, finished, config in session.execute(query)
        )
    return seconds / 3600


def _workers(config: dict[str, object]) -> int:
    resources = config.get("resources")
    return int(resources.get("num_workers", 1)) if isinstance(resources, dict) else 1


def require_gpu_hours(database: Database, limits: LimitStore, project_id: str) -> None:
    """Refuse a new job where the quota is used up; jobs that were taken go on to their end.

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
