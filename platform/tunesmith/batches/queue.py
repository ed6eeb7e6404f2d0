"""Batches as controllers see them: of all projects, each held by one controller at a time.

A hold has a number, the fence, and a token. The fence stands on every write, so that a controller that lost its hold
changes nothing any more. The token is a key of the gateway, good for the batch's project as long as the hold lasts:
it exists in clear in the memory of the controller that holds the batch, and nowhere else.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from tunesmith.batches.batch import Batch, to_batch
from tunesmith.batches.progress import Cursor
from tunesmith.batches.results import Part
from tunesmith.errors import StaleAttemptError
from tunesmith.records import ENDED_BATCH_STATES, BatchState
from tunesmith.stores.database import BatchPartRow, BatchRow, Database, FileRow
from tunesmith.stores.keys import BATCH_TOKEN_PREFIX


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A batch that this controller holds.

    Attributes:
        batch: the batch as it was when it was taken.
        token: opens the gateway for it; never written anywhere.
    """

    batch: Batch
    token: str


class BatchQueue:
    """The batches that a controller drives.

    Args:
        database: the metadata database.
        owner: the controller, as no other one is called.
        hold_seconds: how long a hold lasts that is not renewed.
    """

    def __init__(self, database: Database, *, owner: str, hold_seconds: float = 15.0) -> None:
        self._database = database
        self._owner = owner
        self._hold_seconds = hold_seconds

    def due(self) -> list[Batch]:
        """Batches that have not ended and that nobody holds.

        Returns:
            First those of the projects that have the fewest held; of one project, the oldest first.
        """
        now = time.time()
        query = select(BatchRow).where(BatchRow.state.not_in(ENDED_BATCH_STATES))
        with self._database.session() as session:
            rows = list(session.scalars(query.order_by(BatchRow.created_at, BatchRow.id)))
            held = Counter(row.project_id for row in rows if (row.held_until or 0) >= now)
            ranked = []
            for row in rows:
                if (row.held_until or 0) < now:
                    ranked.append((held[row.project_id], row.created_at, row.id, to_batch(row)))
                    held[row.project_id] += 1
        return [batch for *_, batch in sorted(ranked, key=lambda entry: entry[:3])]

    def hold(self, batch: Batch) -> HeldBatch | None:
        """Take a batch; the fence rises, and the token of the hold before it opens nothing any more.

        Args:
            batch: the batch as it was seen.

        Returns:
            The held batch; None where another controller was faster, or it has ended.
        """
        now, token = time.time(), f"{BATCH_TOKEN_PREFIX}{secrets.token_urlsafe(32)}"
        free = or_(BatchRow.held_until.is_(None), BatchRow.held_until < now)
        with self._database.session() as session:
            taken = session.execute(
                update(BatchRow)
                .where(BatchRow.id == batch.id, free, BatchRow.state.not_in(ENDED_BATCH_STATES))
                .values(
                    fence=BatchRow.fence + 1,
                    held_by=self._owner,
                    held_until=now + self._hold_seconds,
                    token_hash=hashlib.sha256(token.encode()).hexdigest(),
                )
                .execution_options(synchronize_session=False)
            )
            if taken.rowcount == 0:  # type: ignore[attr-defined]
                return None
            return HeldBatch(to_batch(session.get_one(BatchRow, batch.id)), token)

    def renew(self, batch: Batch) -> Batch:
        """Keep a batch.

        Args:
            batch: the held batch.

        Returns:
            The batch as it is now.

        Raises:
            StaleAttemptError: the hold was lost.
        """
        with self._database.session() as session:
            return to_batch(self._mine(session, batch))

    def release(self, batch: Batch) -> None:
        """Let go of a batch, so that another controller need not wait for the hold to run out.

        Args:
            batch: the held batch.

        Raises:
            StaleAttemptError: the hold was lost before.
        """
        with self._database.session() as session:
            self._let_go(self._mine(session, batch))

    def begin(self, batch: Batch, *, total: int, model: str | None) -> Batch:
        """Note that the lines are in order, and that they are being answered.

        Args:
            batch: the held batch.
            total: how many lines there are.
            model: what they ask, if all ask the same.

        Returns:
            The batch; in `in_progress` unless it was cancelled meanwhile.

        Raises:
            StaleAttemptError: the hold was lost.
        """
        with self._database.session() as session:
            row = self._mine(session, batch)
            if row.state == "validating":
                row.total, row.model = total, model
                _move(row, "in_progress")
            return to_batch(row)

    def record(self, batch: Batch, part: Part, cursor: Cursor) -> Batch:
        """Have a part count, and with it its lines as done.

        Args:
            batch: the held batch.
            part: what was written.
            cursor: which lines are done now.

        Returns:
            The batch as it is now.

        Raises:
            StaleAttemptError: the hold was lost; the part does not count.
        """
        with self._database.session() as session:
            row = self._mine(session, batch)
            number = int(part.name.partition("-")[0])
            session.add(
                BatchPartRow(
                    batch_id=row.id,
                    number=number,
                    project_id=row.project_id,
                    name=part.name,
                    num_output=part.num_output,
                    num_errors=part.num_errors,
                )
            )
            row.completed += part.num_output
            row.failed += part.num_errors
            row.usage = {name: row.usage.get(name, 0) + count for name, count in part.usage.items()}
            row.cursor_line, row.cursor_offset, row.ahead = cursor.line, cursor.offset, list(cursor.ahead)
            return to_batch(row)

    def parts(self, batch: Batch) -> list[Part]:
        """The parts that count.

        Args:
            batch: the batch.

        Returns:
            In the order in which they were recorded.
        """
        query = select(BatchPartRow).filter_by(batch_id=batch.id).order_by(BatchPartRow.number)
        with self._database.session() as session:
            return [Part(row.name, row.num_output, row.num_errors, {}) for row in session.scalars(query)]

    def finalizing(self, batch: Batch) -> Batch:
        """Note that all lines are done.

        Args:
            batch: the held batch.

        Returns:
            The batch; in `finalizing` unless it was cancelled meanwhile.

        Raises:
            StaleAttemptError: the hold was lost.
        """
        with self._database.session() as session:
            row = self._mine(session, batch)
            if row.state == "in_progress":
                _move(row, "finalizing")
            return to_batch(row)

    def end(
        self,
        batch: Batch,
        state: BatchState,
        *,
        output: FileRow | None = None,
        errors: FileRow | None = None,
        faults: Sequence[Mapping[str, Any]] = (),
    ) -> Batch:
        """End a batch; its files appear in the same moment.

        Args:
            batch: the held batch.
            state: a final one.
            output: the file of its answers.
            errors: the file of its refusals.
            faults: why it failed.

        Returns:
            The batch; as it was found where it was cancelled while it was to be completed.

        Raises:
            StaleAttemptError: the hold was lost; nothing appears.
        """
        assert state in ENDED_BATCH_STATES
        with self._database.session() as session:
            row = self._mine(session, batch)
            if row.state != batch.state:
                return to_batch(row)
            session.add_all(file for file in (output, errors) if file is not None)
            row.output_file_id = output.id if output else None
            row.error_file_id = errors.id if errors else None
            row.errors = [dict(fault) for fault in faults]
            _move(row, state)
            self._let_go(row)
            return to_batch(row)

    def _mine(self, session: Session, batch: Batch) -> BatchRow:
        """Take the write lock of a held batch and renew the hold."""
        kept = session.execute(
            update(BatchRow)
            .where(BatchRow.id == batch.id, BatchRow.fence == batch.fence, BatchRow.held_by == self._owner)
            .values(held_until=time.time() + self._hold_seconds)
            .execution_options(synchronize_session=False)
        )
        if kept.rowcount == 0:  # type: ignore[attr-defined]
            raise StaleAttemptError(
                f"Hold {batch.fence} of {batch.id} was lost to another controller; its write was refused."
            )
        return session.get_one(BatchRow, batch.id, populate_existing=True)

    def _let_go(self, row: BatchRow) -> None:
        row.held_by = row.held_until = row.token_hash = None


def _move(row: BatchRow, state: BatchState) -> None:
    row.state, row.times = state, {**row.times, state: int(time.time())}
