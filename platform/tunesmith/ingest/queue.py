"""What the API has asked for and the vectors do not hold yet: documents of all projects, one held at a time.

A hold is a few seconds long and is renewed while its process works. When that process dies, another one takes the
document as soon as the hold has run out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, delete, or_, select, update

from tunesmith.errors import PlatformError, StaleAttemptError
from tunesmith.stores.attribute_filter import AttributeValue
from tunesmith.stores.database import Database, DocumentRow, FileBatchRow, VectorStoreRow
from tunesmith.stores.documents import to_store
from tunesmith.stores.vectors import StoreRecord

_TOMBSTONE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Task:
    """A document whose chunks are not as its row says.

    Attributes:
        store: the store it lies in.
        path: its name there.
        file_id: the uploaded file.
        status: `in_progress` has it read and written, `completed` has its attributes written, all else takes its
            chunks out.
        attributes: what searches may be filtered by.
        strategy: how it is to be cut, as the API says it.
        tries: how often it was begun, this time included.
    """

    store: StoreRecord
    path: str
    file_id: str
    status: str
    attributes: Mapping[str, AttributeValue]
    strategy: Mapping[str, Any] | None
    tries: int


class DocumentQueue:
    """The documents that an indexer deals with.

    Args:
        database: the metadata database.
        owner: the process, as no other one is called.
        hold_seconds: how long a hold lasts.
    """

    def __init__(self, database: Database, *, owner: str, hold_seconds: float = 15.0) -> None:
        self._database = database
        self._owner = owner
        self._hold_seconds = hold_seconds
        self._last_project = ""

    def take(self) -> Task | None:
        """Take the next document: projects in turn; of one, what is quick first, then what was tried least.

        Returns:
            The document, held; None if there is nothing to do.
        """
        due = self._due()
        with self._database.session() as session:
            projects = sorted(session.scalars(select(DocumentRow.project_id).where(due).distinct()))
            if not projects:
                return None
            later = [project for project in projects if project > self._last_project]
            self._last_project = (later or projects)[0]
            reading = case((DocumentRow.status == "in_progress", 1), else_=0)
            query = select(DocumentRow).where(due, DocumentRow.project_id == self._last_project)
            row = session.scalar(
                # What a process died of waits behind what has not been tried.
                query.order_by(reading, DocumentRow.tries, DocumentRow.created_at, DocumentRow.file_id).limit(
                    1
                )
            )
            if row is None or not self._hold(session, row):
                return None
            store = session.get_one(VectorStoreRow, row.store_id)
            return Task(
                store=to_store(store),
                path=row.path,
                file_id=row.file_id,
                status=row.status,
                attributes=row.attributes,
                strategy=row.strategy,
                tries=row.tries + 1,
            )

    @contextmanager
    def holding(self, task: Task) -> Iterator[Hold]:
        """Keep a document while it is worked on.

        Args:
            task: a document that was taken.

        Yields:
            The hold, renewed meanwhile.
        """
        hold = Hold(self, task, every_seconds=self._hold_seconds / 3)
        try:
            yield hold
        finally:
            hold.end()

    def renew(self, task: Task) -> bool:
        """Keep a document for another while.

        Args:
            task: the document.

        Returns:
            False where it is not this process's any more, or something else is wanted of it by now.
        """
        alive = select(VectorStoreRow.id).where(
            VectorStoreRow.id == task.store.id,
            VectorStoreRow.deleted_at.is_(None),
            VectorStoreRow.expired_at.is_(None),
        )
        wanted = self._mine(task) & (DocumentRow.status == task.status) & DocumentRow.store_id.in_(alive)
        return self._change(wanted, held_until=time.time() + self._hold_seconds)

    def settle(self, task: Task, *, status: str, error: tuple[str, str] | None = None) -> None:
        """Note that the vectors are as they shall be; unless something else was asked for meanwhile.

        Args:
            task: the document as it was taken.
            status: what its owner is told.
            error: code and message, if it failed.
        """
        with self._database.session() as session:
            row = session.get(DocumentRow, (task.store.id, task.path), with_for_update=True)
            if row is None or row.held_by != self._owner:
                return
            row.held_by = row.held_until = None
            if row.status != task.status:
                return  # deleted or cancelled: it is due again
            row.status, row.tries = status, 0
            row.error_code, row.error_message = error or (None, None)
            row.pending = status == "completed" and row.attributes != task.attributes
            if status == "deleted":
                row.ingested_at = int(time.time())
            if status != "completed":
                row.content_hash, row.num_chunks, row.usage_bytes = "", 0, 0

    def postpone(self, task: Task, *, seconds: float) -> None:
        """Let go of a document that nothing can be done for right now; this was no try.

        Args:
            task: the document.
            seconds: how long it rests.
        """
        self._change(
            self._mine(task), held_by=None, held_until=time.time() + seconds, tries=max(0, task.tries - 1)
        )

    def stores_to_empty(self) -> list[StoreRecord]:
        """Stores that were deleted or have expired, and that nobody writes to any more.

        Returns:
            The stores.
        """
        now = time.time()
        held = select(DocumentRow.store_id).where(
            # What is held is pending: this looks at few rows, twice a second.
            DocumentRow.pending.is_(True),
            DocumentRow.held_until > now,
            DocumentRow.held_by.is_not(None),
        )
        filled = select(DocumentRow.store_id)
        ended = or_(
            VectorStoreRow.deleted_at.is_not(None),
            VectorStoreRow.expired_at.is_not(None) & VectorStoreRow.id.in_(filled),
        )
        with self._database.session() as session:
            query = select(VectorStoreRow).where(ended, VectorStoreRow.id.not_in(held))
            return [to_store(row) for row in session.scalars(query)]

    def emptied(self, store: StoreRecord) -> None:
        """Note that the chunks of a store are gone: so are its documents, and a deleted store itself.

        Args:
            store: the store.
        """
        with self._database.session() as session:
            session.execute(delete(DocumentRow).where(DocumentRow.store_id == store.id))
            row = session.get(VectorStoreRow, store.id)
            if row is not None and row.deleted_at is not None:
                session.execute(delete(FileBatchRow).where(FileBatchRow.store_id == store.id))
                session.delete(row)

    def bury(self) -> None:
        """Drop the rows of documents that were deleted long enough ago."""
        before = int(time.time()) - _TOMBSTONE_SECONDS
        with self._database.session() as session:
            session.execute(
                delete(DocumentRow).where(DocumentRow.status == "deleted", DocumentRow.ingested_at < before)
            )

    def _due(self) -> ColumnElement[bool]:
        free = or_(DocumentRow.held_until.is_(None), DocumentRow.held_until < time.time())
        ended = or_(VectorStoreRow.deleted_at.is_not(None), VectorStoreRow.expired_at.is_not(None))
        return (
            DocumentRow.pending.is_(True)
            & free
            & DocumentRow.store_id.not_in(select(VectorStoreRow.id).where(ended))
        )

    def _hold(self, session: Any, row: DocumentRow) -> bool:
        taken = session.execute(
            update(DocumentRow)
            .where(DocumentRow.store_id == row.store_id, DocumentRow.path == row.path, self._due())
            .values(
                held_by=self._owner, held_until=time.time() + self._hold_seconds, tries=DocumentRow.tries + 1
            )
            .execution_options(synchronize_session=False)
        )
        return bool(taken.rowcount)

    def _mine(self, task: Task) -> ColumnElement[bool]:
        return (
            (DocumentRow.store_id == task.store.id)
            & (DocumentRow.path == task.path)
            & (DocumentRow.held_by == self._owner)
        )

    def _change(self, which: ColumnElement[bool], **values: Any) -> bool:
        statement = update(DocumentRow).where(which).values(**values)
        with self._database.session() as session:
            done = session.execute(statement.execution_options(synchronize_session=False))
            return bool(done.rowcount)  # type: ignore[attr-defined]


class Hold:
    """A hold that renews itself in a thread until it ends.

    Args:
        queue: what it holds from.
        task: the document.
        every_seconds: how often it is renewed.
    """

    def __init__(self, queue: DocumentQueue, task: Task, *, every_seconds: float) -> None:
        self._queue = queue
        self._task = task
        self._every_seconds = every_seconds
        self._ended = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Go on only while the document is this process's, and still wanted so.

        Raises:
            StaleAttemptError: it is not.
        """
        if self._lost or not self._queue.renew(self._task):
            raise StaleAttemptError(f"{self._task.path} is another process's, or not wanted any more.")

    def end(self) -> None:
        """Renew no longer."""
        self._ended.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._ended.wait(self._every_seconds):
            try:
                self._lost = self._lost or not self._queue.renew(self._task)
            except PlatformError:
                # The database is busy or full; the hold may run out, and `require` says so before the next write.
                continue
