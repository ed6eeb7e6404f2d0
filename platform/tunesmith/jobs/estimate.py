"""When a running job will have ended, by the steps that it has taken last."""

from __future__ import annotations

import time

from sqlalchemy import select

from tunesmith.records import Job
from tunesmith.stores.database import Database, MetricRow

_STEPS = 20
"""The newest ones say how fast it goes now: the machine may have become another."""


def estimated_finish(database: Database, job: Job) -> int | None:
    """Reckon when a job will end.

    Args:
        database: the metadata database.
        job: the job.

    Returns:
        Unix seconds; None where it does not run, or has not taken a step.
    """
    if job.state not in ("running", "publishing") or job.num_steps is None:
        return None
    newest = select(MetricRow).filter_by(job_id=job.id).order_by(MetricRow.step.desc()).limit(_STEPS)
    with database.session() as session:
        rows = list(session.scalars(newest))
        if not rows:
            return None
        seconds = sum(row.values.get("seconds", 0.0) for row in rows) / len(rows)
        left = max(0, job.num_steps - rows[0].step)
    return int(time.time() + left * seconds)
