"""What a project or a key may ask for at most, and the buckets that gateways draw on.

A bucket holds a minute's worth and fills up evenly. A gateway takes a lease out of it, about a second's worth, and
spends that without asking again:

    limit 6000 a minute -> a bucket of 6000, filling at 100 a second -> leases of 100

Several gateways share one limit in this way with one write a second each, and may exceed it by one lease each.
What is known only afterwards, the tokens of an answer, makes a debt, which is paid with the next lease: a bucket may
fall below zero, and nothing more is let through until it has filled up again.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import case, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tunesmith.stores.audit import AT_HOME, Actor, note
from tunesmith.stores.database import Database, LimitBucketRow, LimitRow

Unit = Literal["requests", "tokens"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked for; None is no limit.

    Attributes:
        requests_per_minute: requests to models.
        tokens_per_minute: their tokens, read and written.
        gpu_hours_per_month: of training, in a calendar month (UTC); for projects alone.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    gpu_hours_per_month: float | None = None

    def per_minute(self, unit: Unit) -> int | None:
        """The limit of one unit.

        Args:
            unit: of what.

        Returns:
            How many a minute, or None.
        """
        return self.requests_per_minute if unit == "requests" else self.tokens_per_minute


@dataclass(frozen=True, slots=True)
class Lease:
    """What a gateway got out of a bucket.

    Attributes:
        granted: how much it may spend.
        level: what is left in the bucket; below zero where more was spent than there was.
    """

    granted: float
    level: float


def of_project(project_id: str) -> str:
    """The subject of a project's limits.

    Args:
        project_id: the project.

    Returns:
        Its name among the subjects.
    """
    return f"project:{project_id}"


def of_key(key_id: str) -> str:
    """The subject of a key's limits.

    Args:
        key_id: the key.

    Returns:
        Its name among the subjects.
    """
    return f"key:{key_id}"


class LimitStore:
    """The limits of all projects and keys.

    Args:
        database: the metadata database.
        default: limits of a project for which nothing was said.
    """

    def __init__(self, database: Database, default: Limits = Limits()) -> None:
        self._database = database
        self._default = default

    def project(self, project_id: str) -> Limits:
        """The limits of a project.

        Args:
            project_id: the project.

        Returns:
            What was said of it, or the default.
        """
        with self._database.session() as session:
            row = session.get(LimitRow, of_project(project_id))
            return _to_limits(row) if row else self._default

    def key(self, key_id: str) -> Limits:
        """The limits of a key, beside those of its project.

        Args:
            key_id: the key.

        Returns:
            What was said of it; no limits, if nothing was.
        """
        with self._database.session() as session:
            row = session.get(LimitRow, of_key(key_id))
            return _to_limits(row) if row else Limits()

    def set(self, subject: str, project_id: str, limits: Limits, *, actor: Actor = AT_HOME) -> None:
        """Say what may be asked for; gateways learn of it within two seconds.

        Args:
            subject: a project or a key.
            project_id: the project, or the key's.
            limits: from now on.
            actor: who says so.
        """
        with self._database.session() as session:
            row = LimitRow(
                subject=subject, project_id=project_id, updated_at=int(time.time()), **asdict(limits)
            )
            session.merge(row)
            details = asdict(limits)
            note(session, "rate_limit.updated", subject, actor=actor, project_id=project_id, details=details)

    def take(
        self, subject: str, project_id: str, unit: Unit, *, per_minute: int, wanted: float, debt: float = 0.0
    ) -> Lease:
        """Take a lease out of a bucket, after paying what was spent beyond the last one.

        Args:
            subject: whose bucket.
            project_id: its project.
            unit: which bucket.
            per_minute: the limit; also what the bucket holds at most.
            wanted: size of the lease.
            debt: what was spent already.

        Returns:
            What was granted: as much as there was, and whole requests only.
        """
        for _ in range(2):
            try:
                with self._database.session() as session:
                    return _take(session, subject, project_id, unit, per_minute, wanted, debt)
            except IntegrityError:  # another gateway has just made the bucket
                continue
        return Lease(0.0, 0.0)


def _take(
    session: Session, subject: str, project_id: str, unit: Unit, per_minute: int, wanted: float, debt: float
) -> Lease:
    now = time.time()
    filled = LimitBucketRow.level + (now - LimitBucketRow.updated_at) * per_minute / 60
    own = LimitBucketRow.subject == subject, LimitBucketRow.unit == unit
    # The first statement writes, and so holds the row until the end: two gateways never see the same level.
    refill = update(LimitBucketRow).where(*own)
    seen = session.execute(
        refill.values(
            level=case((filled > per_minute, float(per_minute)), else_=filled) - debt,
            updated_at=now,
        )
    )
    if not seen.rowcount:  # type: ignore[attr-defined]
        bucket = LimitBucketRow(
            subject=subject, unit=unit, project_id=project_id, level=per_minute - debt, updated_at=now
        )
        session.add(bucket)
        session.flush()
    level = session.scalar(select(LimitBucketRow.level).where(*own)) or 0.0
    granted = max(0.0, min(wanted, level))
    if unit == "requests":
        granted = float(int(granted))
    session.execute(update(LimitBucketRow).where(*own).values(level=level - granted))
    return Lease(granted, level - granted)


def _to_limits(row: LimitRow) -> Limits:
    return Limits(row.requests_per_minute, row.tokens_per_minute, row.gpu_hours_per_month)
