"""What /metrics says of jobs, counted in the database: true also while the controller is dead, when it matters most."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from tunesmith.errors import StorageError
from tunesmith.stores.database import AttemptRow, Database, JobRow

_LOST = "gone"
_ALARMING = ("failed", "lost")
"""Told from the beginning: of a series that begins at 1 Prometheus sees no increase."""
_KEPT_SECONDS = 5.0

Family = GaugeMetricFamily | CounterMetricFamily


class JobMetrics(Collector):
    """Jobs by state, the age of the oldest that waits, attempts by how they ended.

    Several gateways on one database all say the same: take the maximum, not the sum.

    Args:
        database: the metadata database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counted: tuple[Family, ...] = ()
        self._counted_at = -_KEPT_SECONDS

    def describe(self) -> Iterable[Family]:
        """Name nothing beforehand: the database is not asked before the first scrape.

        Returns:
            An empty list.
        """
        return []

    def collect(self) -> Iterator[Family]:
        """Count, at most once in a few seconds.

        Yields:
            The families; none while the database does not answer, so that the other metrics are still seen.
        """
        with self._lock:
            if time.monotonic() - self._counted_at >= _KEPT_SECONDS:
                try:
                    self._counted = self._count()
                except (StorageError, SQLAlchemyError):
                    self._counted = ()
                self._counted_at = time.monotonic()
            yield from self._counted

    def _count(self) -> tuple[Family, ...]:
        jobs = GaugeMetricFamily("tunesmith_jobs", "Jobs by state.", labels=("state",))
        age = GaugeMetricFamily("tunesmith_job_queue_age_seconds", "Age of the oldest job that is queued.")
        attempts = CounterMetricFamily(
            "tunesmith_job_attempts", "Attempts by how they ended; `lost` ones died.", labels=("outcome",)
        )
        with self._database.session() as session:
            for state, number in session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)):
                jobs.add_metric((state,), number)
            oldest = session.scalar(select(func.min(JobRow.created_at)).filter_by(state="queued"))
            age.add_metric((), max(0.0, time.time() - oldest) if oldest else 0.0)
            ends = select(AttemptRow.outcome, func.count()).group_by(AttemptRow.outcome)
            ended = dict.fromkeys(_ALARMING, 0)
            for outcome, number in session.execute(ends):
                ended["lost" if outcome == _LOST else outcome or "running"] = number
            for outcome, number in ended.items():
                attempts.add_metric((outcome,), number)
        return jobs, age, attempts
