"""Batches as they are asked for through the API: made, looked up, listed and cancelled."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from tunesmith.batches.batch import BATCH_PREFIX, Batch, to_batch
from tunesmith.errors import ConfigError, ConflictError, NotFoundError
from tunesmith.stores.database import BatchRow, Database
from tunesmith.stores.ordered_ids import born_at, new_id

WINDOW_SECONDS = 24 * 3600
"""The one completion window: `24h`."""


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Some batches, newest first, and whether there are more after them."""

    batches: Sequence[Batch]
    has_more: bool


class BatchRequests:
    """The batches of one project, as its members ask for them.

    Args:
        database: the metadata database.
        project_id: the project.
    """

    def __init__(self, database: Database, project_id: str) -> None:
        self._database = database
        self._project_id = project_id

    def create(
        self,
        *,
        endpoint: str,
        input_file_id: str,
        metadata: Mapping[str, str] | None = None,
        output_seconds: int | None = None,
    ) -> Batch:
        """Ask for a batch; a controller will see it and begin.

        Args:
            endpoint: what its lines ask for.
            input_file_id: the file of its lines.
            metadata: its owner's.
            output_seconds: how long its answers live; None keeps them.

        Returns:
            The batch, in `validating`.
        """
        batch_id = new_id(BATCH_PREFIX)
        created_at = born_at(batch_id, BATCH_PREFIX)
        assert created_at is not None
        row = BatchRow(
            id=batch_id,
            project_id=self._project_id,
            endpoint=endpoint,
            input_file_id=input_file_id,
            completion_window="24h",
            state="validating",
            fence=0,
            created_at=created_at,
            expires_at=created_at + WINDOW_SECONDS,
            times={},
            total=0,
            completed=0,
            failed=0,
            usage={},
            errors=[],
            details=None if metadata is None else dict(metadata),
            output_seconds=output_seconds,
            cursor_line=1,
            cursor_offset=0,
            ahead=[],
        )
        with self._database.session() as session:
            session.add(row)
            session.flush()
            return to_batch(row)

    def batch(self, batch_id: str) -> Batch:
        """Look a batch up.

        Args:
            batch_id: its id.

        Returns:
            The batch.

        Raises:
            NotFoundError: the project has no such batch.
        """
        with self._database.session() as session:
            return to_batch(self._row(session, batch_id))

    def list(self, *, after: str | None = None, limit: int = 20) -> BatchPage:
        """Batches, newest first.

        Args:
            after: id of the batch that came last on the page before.
            limit: most batches on the page.

        Returns:
            A page.

        Raises:
            ConfigError: `after` is no id of a batch.
        """
        query = select(BatchRow).where(BatchRow.project_id == self._project_id)
        if after is not None:
            query = query.where(tuple_(BatchRow.created_at, BatchRow.id) < _place_of(after))
        query = query.order_by(BatchRow.created_at.desc(), BatchRow.id.desc()).limit(limit + 1)
        with self._database.session() as session:
            found = [to_batch(row) for row in session.scalars(query)]
        return BatchPage(found[:limit], has_more=len(found) > limit)

    def cancel(self, batch_id: str) -> Batch:
        """Have a batch stop; what is answered already is kept. A second call says the same again.

        Args:
            batch_id: the batch.

        Returns:
            The batch, in `cancelling` or `cancelled`.

        Raises:
            NotFoundError: the project has no such batch.
            ConflictError: it has ended otherwise.
        """
        with self._database.session() as session:
            self._row(session, batch_id)
            # A write first: until this transaction ends, no controller moves the batch on.
            session.execute(
                update(BatchRow)
                .where(BatchRow.id == batch_id)
                .values(fence=BatchRow.fence)
                .execution_options(synchronize_session=False)
            )
            row = session.get_one(BatchRow, batch_id, populate_existing=True)
            if row.state in ("completed", "failed", "expired"):
                raise ConflictError(
                    f"Cannot cancel batch {batch_id}: its status is '{row.state}'.", code="batch_ended"
                )
            if row.state not in ("cancelling", "cancelled"):
                row.state = "cancelling"
                row.times = {**row.times, "cancelling": int(time.time())}
            return to_batch(row)

    def _row(self, session: Session, batch_id: str) -> BatchRow:
        row = session.get(BatchRow, batch_id)
        if row is None or row.project_id != self._project_id:
            raise NotFoundError(
                f"No batch with id '{batch_id}' exists. GET /v1/batches lists those that do.",
                param="batch_id",
                code="batch_not_found",
            )
        return row


def _place_of(batch_id: str) -> tuple[int, str]:
    created_at = born_at(batch_id, BATCH_PREFIX)
    if created_at is None:
        raise ConfigError(
            f"Invalid value for 'after': '{batch_id}' is not the id of a batch. Send the `last_id` of the page before.",
            param="after",
            code="invalid_value",
        )
    return created_at, batch_id
