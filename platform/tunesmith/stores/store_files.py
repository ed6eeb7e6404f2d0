"""The documents of one vector store, as the API shows them: attached, listed, changed, taken out, alone or in batches.

A request writes what is wanted into the rows and marks them `pending`; the indexer of `ingest/` makes the vectors so.

    attach           in_progress, pending  --> completed | failed
    set_attributes   completed, pending    --> completed
    cancel           cancelled, pending    --> cancelled          (its chunks are gone)
    detach           deleting, pending     --> deleted            (its chunks are gone; the row goes an hour later)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tunesmith.errors import NotFoundError
from tunesmith.stores.attribute_filter import AttributeValue
from tunesmith.stores.database import Database, DocumentRow, FileBatchRow, FileRow
from tunesmith.stores.documents import GONE, attached_path, document_filename
from tunesmith.stores.ordered_ids import new_id
from tunesmith.stores.paging import Order, Page, Place, read_rows, unknown_place
from tunesmith.stores.vector_stores import FileCounts
from tunesmith.stores.vectors import StoreRecord

FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]
BATCH_PREFIX = "vsfb_"
_FILES_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that shall be searchable.

    Attributes:
        file_id: the uploaded file.
        attributes: what searches may be filtered by.
        strategy: how it is cut, as the API says it; None leaves it to the platform.
    """

    file_id: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    strategy: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoreFile:
    """One document of a store.

    Attributes:
        file_id: the uploaded file, or an id made of the path of what was ingested from a folder.
        filename: what a person calls it.
        path: its name in the store.
        status: how far it is.
        created_at: Unix seconds of its attachment.
        usage_bytes: what its texts and vectors take.
        error: code and message, where it failed.
        strategy: how it was asked to be cut.
        attributes: what searches may be filtered by.
    """

    file_id: str
    filename: str
    path: str
    status: FileStatus
    created_at: int
    usage_bytes: int
    error: tuple[str, str] | None
    strategy: Mapping[str, Any] | None
    attributes: Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Files that were attached together.

    Attributes:
        id: `vsfb_...`.
        created_at: Unix seconds.
        status: `completed` also where some files failed: the counts say so.
        counts: its files.
    """

    id: str
    created_at: int
    status: FileStatus
    counts: FileCounts


class StoreFiles:
    """The documents of one store.

    Args:
        database: the metadata database.
        store: the store.
    """

    def __init__(self, database: Database, store: StoreRecord) -> None:
        self._database = database
        self._store = store

    def attach(self, wanted: Attachment) -> StoreFile:
        """Ask for a file to be searchable. Attached already, it is read again.

        Args:
            wanted: the file.

        Returns:
            Its place in the store, in progress.

        Raises:
            NotFoundError: the project has no such file.
        """
        try:
            with self._database.session() as session:
                self._attach(session, [wanted], batch_id=None)
        except IntegrityError:
            # Somebody attached it at the same moment; this word is the later one.
            return self.attach(wanted)
        return self.get(wanted.file_id)

    def attach_batch(self, wanted: Sequence[Attachment]) -> FileBatch:
        """Ask for several files to be searchable, all or none.

        Args:
            wanted: the files; the last word counts where one is named twice.

        Returns:
            The batch, in progress.

        Raises:
            NotFoundError: the project has no such file; names it.
        """
        batch = FileBatchRow(
            id=new_id(BATCH_PREFIX),
            store_id=self._store.id,
            project_id=self._store.project_id,
            created_at=int(time.time()),
        )
        try:
            with self._database.session() as session:
                session.add(batch)
                session.flush()
                self._attach(session, wanted, batch_id=batch.id)
        except IntegrityError:
            return self.attach_batch(wanted)
        return self.batch(batch.id)

    def get(self, file_id: str) -> StoreFile:
        """Look a document up.

        Args:
            file_id: its file.

        Returns:
            The document.

        Raises:
            NotFoundError: the store has none of that file.
        """
        with self._database.session() as session:
            return _to_file(self._row(session, file_id))

    def list(
        self,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
        status: FileStatus | None = None,
        batch_id: str | None = None,
    ) -> Page[StoreFile]:
        """List documents by the moment of their attachment.

        Args:
            limit: most documents on the page.
            order: `desc` has the newest first.
            after: file id of the one that came last on the page before; it may have been taken out since.
            before: file id of the one that came first on the page behind.
            status: only those in this state.
            batch_id: only those of this batch.

        Returns:
            A page.

        Raises:
            ConfigError: `after` or `before` is no document of this store.
            NotFoundError: there is no such batch.
        """
        query = select(DocumentRow).where(self._visible())
        if status is not None:
            query = query.where(DocumentRow.status == status)
        with self._database.session() as session:
            if batch_id is not None:
                query = query.where(DocumentRow.batch_id == self._batch_row(session, batch_id).id)
            page = read_rows(
                session,
                query,
                place=(DocumentRow.created_at, DocumentRow.file_id),
                limit=limit,
                order=order,
                after=self._place(session, "after", after),
                before=self._place(session, "before", before),
            )
            return Page([_to_file(row) for row in page.items], page.has_more)

    def set_attributes(self, file_id: str, attributes: Mapping[str, AttributeValue]) -> StoreFile:
        """Give a document other attributes; searches go by them as soon as the indexer has written them.

        Args:
            file_id: its file.
            attributes: all of them; others go.

        Returns:
            The document.

        Raises:
            NotFoundError: the store has none of that file.
        """
        with self._database.session() as session:
            row = self._row(session, file_id)
            row.attributes = dict(attributes)
            row.pending = row.pending or row.status == "completed"
            return _to_file(row)

    def detach(self, file_id: str) -> None:
        """Take a document out: no search finds it from now on, and its chunks go.

        Args:
            file_id: its file.

        Raises:
            NotFoundError: the store has none of that file.
        """
        with self._database.session() as session:
            self._row(session, file_id)
            session.execute(take_out(self._visible() & (DocumentRow.file_id == file_id)))

    def batch(self, batch_id: str) -> FileBatch:
        """Look a batch up.

        Args:
            batch_id: its id.

        Returns:
            The batch.

        Raises:
            NotFoundError: the store has none of that id.
        """
        with self._database.session() as session:
            row = self._batch_row(session, batch_id)
            query = select(DocumentRow.status, func.count()).where(
                self._visible(), DocumentRow.batch_id == batch_id
            )
            counts = dict(iter(session.execute(query.group_by(DocumentRow.status))))
        return _to_batch(row, FileCounts(**counts))

    def cancel_batch(self, batch_id: str) -> FileBatch:
        """Leave the rest of a batch undone. What is done stays.

        Args:
            batch_id: its id.

        Returns:
            The batch.

        Raises:
            NotFoundError: the store has none of that id.
        """
        with self._database.session() as session:
            row = self._batch_row(session, batch_id)
            unfinished = (
                self._visible() & (DocumentRow.batch_id == batch_id) & (DocumentRow.status == "in_progress")
            )
            # What nobody has begun with has no chunks that would have to go.
            session.execute(
                update(DocumentRow)
                .where(unfinished)
                .values(status="cancelled", pending=or_(DocumentRow.tries > 0, DocumentRow.num_chunks > 0))
                .execution_options(synchronize_session=False)
            )
            row.cancelled_at = row.cancelled_at or int(time.time())
        return self.batch(batch_id)

    def _attach(self, session: Session, wanted: Sequence[Attachment], *, batch_id: str | None) -> None:
        last = {one.file_id: one for one in wanted}
        names = self._filenames(session, list(last))
        now = int(time.time())
        for file_id, one in last.items():
            path = attached_path(file_id, names[file_id])
            row = session.get(DocumentRow, (self._store.id, path), with_for_update=True)
            if row is None:
                row = self._new_row(path, file_id, now)
                session.add(row)
            elif row.status in GONE:
                row.created_at = now
            row.status, row.pending, row.tries = "in_progress", True, 0
            row.error_code = row.error_message = row.held_by = row.held_until = None
            row.attributes, row.batch_id = dict(one.attributes), batch_id
            row.strategy = dict(one.strategy) if one.strategy else None

    def _new_row(self, path: str, file_id: str, now: int) -> DocumentRow:
        return DocumentRow(
            store_id=self._store.id,
            path=path,
            project_id=self._store.project_id,
            source=file_id,
            title=document_filename(path),
            content_hash="",
            chunking="",
            num_chunks=0,
            ingested_at=now,
            file_id=file_id,
            created_at=now,
        )

    def _filenames(self, session: Session, file_ids: Sequence[str]) -> Mapping[str, str]:
        alive = or_(FileRow.expires_at.is_(None), FileRow.expires_at > int(time.time()))
        names: dict[str, str] = {}
        for start in range(0, len(file_ids), _FILES_PER_QUERY):
            some = file_ids[start : start + _FILES_PER_QUERY]
            query = select(FileRow.id, FileRow.filename).where(FileRow.id.in_(some), alive)
            mine = query.where(FileRow.project_id == self._store.project_id)
            names.update(iter(session.execute(mine)))
        for file_id in file_ids:
            if file_id not in names:
                raise NotFoundError(
                    f"No such File object: {file_id}. Upload it with POST /v1/files first; GET /v1/files lists those "
                    "that there are.",
                    param="file_id",
                    code="file_not_found",
                )
        return names

    def _row(self, session: Session, file_id: str) -> DocumentRow:
        row = session.scalar(select(DocumentRow).where(self._visible(), DocumentRow.file_id == file_id))
        if row is None:
            raise NotFoundError(
                f"No file found with id '{file_id}' in vector store '{self._store.id}'. "
                f"GET /v1/vector_stores/{self._store.id}/files lists those that there are.",
                param="file_id",
                code="vector_store_file_not_found",
            )
        return row

    def _batch_row(self, session: Session, batch_id: str) -> FileBatchRow:
        query = select(FileBatchRow).filter_by(
            id=batch_id, store_id=self._store.id, project_id=self._store.project_id
        )
        row = session.scalar(query)
        if row is None:
            raise NotFoundError(
                f"No file batch found with id '{batch_id}' in vector store '{self._store.id}'. Its id is in the answer "
                "to the request that made it.",
                param="batch_id",
                code="file_batch_not_found",
            )
        return row

    def _place(self, session: Session, param: str, file_id: str | None) -> Place | None:
        if file_id is None:
            return None
        # Also one that was deleted a moment ago: whoever deletes page by page goes on behind it.
        query = select(DocumentRow.created_at).filter_by(store_id=self._store.id, file_id=file_id)
        created_at = session.scalar(query.filter_by(project_id=self._store.project_id))
        if created_at is None:
            raise unknown_place(param, file_id)
        return created_at, file_id

    def _visible(self) -> ColumnElement[bool]:
        return (
            (DocumentRow.store_id == self._store.id)
            & (DocumentRow.project_id == self._store.project_id)
            & DocumentRow.status.not_in(GONE)
        )


def take_out(which: ColumnElement[bool]) -> Any:
    """The statement that takes documents out of their stores.

    Args:
        which: the rows.

    Returns:
        An update.
    """
    return (
        update(DocumentRow)
        .where(which)
        .values(status="deleting", pending=True)
        .execution_options(synchronize_session=False)
    )


def take_out_files(session: Session, file_ids: Sequence[str]) -> None:
    """Take files that are about to go out of every store that they are attached to.

    Args:
        session: the transaction in which their rows go.
        file_ids: the files.
    """
    session.execute(take_out(DocumentRow.file_id.in_(file_ids) & DocumentRow.status.not_in(GONE)))


def _to_file(row: DocumentRow) -> StoreFile:
    return StoreFile(
        file_id=row.file_id,
        filename=document_filename(row.path),
        path=row.path,
        status=row.status,  # type: ignore[arg-type]
        created_at=row.created_at,
        usage_bytes=row.usage_bytes,
        error=(row.error_code, row.error_message or "") if row.error_code else None,
        strategy=row.strategy,
        attributes=row.attributes,
    )


def _to_batch(row: FileBatchRow, counts: FileCounts) -> FileBatch:
    if counts.in_progress:
        status: FileStatus = "in_progress"
    elif row.cancelled_at is not None:
        status = "cancelled"
    else:
        status = "failed" if counts.failed and counts.failed == counts.total else "completed"
    return FileBatch(row.id, row.created_at, status, counts)
