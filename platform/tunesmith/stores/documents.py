"""Which stores a project has, and which documents lie in each: what an ingest compares files with.

Stores that an ingest made and stores that were made through the API are the same rows. The API lets several have one
name (`label`), the command line asks for one by it (`name` is unique): a name that several bear names none of them.

A document's row brackets the writing of its chunks, so that a kill at any point is repaired by the next
ingest of the file:

    begin    row with an empty content hash     "something of this document may lie in the vectors"
    ...      new chunks written, stale ones deleted
    finish   row with hash and chunking         "exactly these chunks lie in the vectors"
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.stores.attribute_filter import AttributeValue
from tunesmith.stores.database import Database, DocumentRow, VectorStoreRow
from tunesmith.stores.ordered_ids import new_id
from tunesmith.stores.vectors import StoreRecord, collection_name

STORE_PREFIX = "vs_"
GONE = ("deleting", "deleted")
"""States of documents that nobody sees any more. A deleted one's row stays for a while, so that a list of pages that
ended at it can be continued."""
_ATTACHED = re.compile(r"(file-[0-9a-f]{24})/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """What is known of one ingested file.

    Attributes:
        path: its name in the store.
        source: the ingested folder it was found in, absolute.
        title: its title.
        content_hash: SHA-256 (hex) of its bytes; empty while its chunks are being written.
        chunking: how it was read, cut and embedded, as one string.
        num_chunks: its chunks in the vector store.
        usage_bytes: what they take there.
        attributes: what searches may be filtered by; set through the API, kept by every later ingest.
    """

    path: str
    source: str
    title: str
    content_hash: str
    chunking: str
    num_chunks: int
    usage_bytes: int = 0
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict, hash=False)


class DocumentCatalog:
    """The stores of one project and their documents.

    Args:
        database: the metadata database.
        project_id: the project whose stores are seen.
    """

    def __init__(self, database: Database, project_id: str) -> None:
        self._database = database
        self._project_id = project_id

    def stores(self) -> list[StoreRecord]:
        """All stores, by name."""
        query = select(VectorStoreRow).filter_by(project_id=self._project_id, deleted_at=None)
        with self._database.session() as session:
            stores = [to_store(row) for row in session.scalars(query)]
        return sorted(stores, key=lambda store: (store.name, store.id))

    def store(self, name: str) -> StoreRecord:
        """Look a store up, to search it or to write to it.

        Args:
            name: its name or its id.

        Returns:
            The store.

        Raises:
            NotFoundError: the project has none of that name (lists those it has), or several.
            ConfigError: it has expired.
        """
        with self._database.session() as session:
            row = self._find(session, name)
            if row is not None:
                _require_alive(row)
                return to_store(row, hidden=_hidden(session, row.id))
        known = ", ".join(store.name for store in self.stores()) or "none yet"
        raise NotFoundError(
            f'The vector store "{name}" does not exist. There are: {known}. Make one with '
            "`tunesmith ingest PATH --store NAME`.",
            param="vector_stores",
            code="vector_store_not_found",
        )

    def find_or_create(self, name: str, *, embedder: str) -> StoreRecord:
        """Look a store up, or make it.

        Args:
            name: its name, or the id of one that there is.
            embedder: name of the embedder that makes its vectors.

        Returns:
            The store.

        Raises:
            ConfigError: it exists with another embedder, or has expired.
            NotFoundError: several have the name.
        """
        try:
            with self._database.session() as session:
                row = self._find(session, name)
                if row is None:
                    row = new_store_row(self._project_id, embedder=embedder, name=name)
                    session.add(row)
        except IntegrityError:
            # Another process made it at the same moment.
            return self.find_or_create(name, embedder=embedder)
        _require_alive(row)
        if row.embedder != embedder:
            raise ConfigError(
                f'embedder="{embedder}", but the store "{name}" was embedded with "{row.embedder}". Set the '
                "embedder back, or ingest into a store of another name.",
                param="embedder",
            )
        return to_store(row)

    def _find(self, session: Session, name: str) -> VectorStoreRow | None:
        return find_store_row(session, self._project_id, name)

    def documents(self, store: StoreRecord) -> Mapping[str, DocumentRecord]:
        """List the documents of a store.

        Args:
            store: the store.

        Returns:
            Path -> record, by path.
        """
        query = select(DocumentRow).filter_by(store_id=store.id, project_id=self._project_id)
        query = query.where(DocumentRow.status.not_in(GONE))
        with self._database.session() as session:
            rows = session.scalars(query.order_by(DocumentRow.path))
            return {row.path: _to_document(row) for row in rows}

    def document(self, store: StoreRecord, path: str) -> DocumentRecord | None:
        """Look one document up.

        Args:
            store: the store.
            path: its name there.

        Returns:
            Its record; None if there is none.
        """
        query = select(DocumentRow).filter_by(store_id=store.id, path=path, project_id=self._project_id)
        with self._database.session() as session:
            row = session.scalar(query.where(DocumentRow.status.not_in(GONE)))
        return _to_document(row) if row else None

    def begin(self, store: StoreRecord, documents: Sequence[DocumentRecord]) -> None:
        """Note that the chunks of some documents are about to change.

        Args:
            store: the store.
            documents: their records to be; hash and count are not noted yet.
        """
        with self._database.session() as session:
            for document in documents:
                row = self._row(store, document)
                row.content_hash, row.num_chunks, row.usage_bytes = "", 0, 0
                _bring_back(session, row)
                session.merge(row)

    def finish(self, store: StoreRecord, documents: Sequence[DocumentRecord]) -> None:
        """Note that the vector store holds exactly the chunks of these records.

        Args:
            store: the store.
            documents: their records.
        """
        with self._database.session() as session:
            for document in documents:
                session.merge(self._row(store, document))

    def forget(self, store: StoreRecord, paths: Sequence[str]) -> None:
        """Drop documents whose chunks are gone.

        Args:
            store: the store.
            paths: their paths; unknown ones are fine.
        """
        query = delete(DocumentRow).where(
            DocumentRow.store_id == store.id, DocumentRow.project_id == self._project_id
        )
        with self._database.session() as session:
            for path in paths:
                session.execute(query.where(DocumentRow.path == path))

    def _row(self, store: StoreRecord, document: DocumentRecord) -> DocumentRow:
        return DocumentRow(
            store_id=store.id,
            path=document.path,
            project_id=self._project_id,
            source=document.source,
            title=document.title,
            content_hash=document.content_hash,
            chunking=document.chunking,
            num_chunks=document.num_chunks,
            usage_bytes=document.usage_bytes,
            file_id=document_file_id(store, document.path),
            ingested_at=int(time.time()),
        )


def document_file_id(store: StoreRecord, path: str) -> str:
    """The file id under which the API names a document.

    Args:
        store: the store it lies in.
        path: its name in the store.

    Returns:
        That of the file that was attached. Of a document that was ingested from a folder: `file-...`, made of project,
        store and path alone: the same after every ingest, on every machine.
    """
    attached = _ATTACHED.fullmatch(path)
    if attached:
        return attached[1]
    return f"file-{hashlib.sha256(f'{store.scope}/{path}'.encode()).hexdigest()[:24]}"


def attached_path(file_id: str, filename: str) -> str:
    """Name of an uploaded file in the stores that it is attached to.

    Args:
        file_id: its id.
        filename: what its owner calls it.

    Returns:
        Both: several files of a store may have one filename.
    """
    return f"{file_id}/{filename}"


def is_attached(path: str) -> bool:
    """Whether a document is an uploaded file.

    Args:
        path: its name in the store.

    Returns:
        False for what was ingested from a folder.
    """
    return _ATTACHED.fullmatch(path) is not None


def document_filename(path: str) -> str:
    """What a person calls a document.

    Args:
        path: its name in the store.

    Returns:
        The uploaded file's own name, or the path.
    """
    attached = _ATTACHED.fullmatch(path)
    return attached[2] if attached else path


def new_store_row(
    project_id: str, *, embedder: str, name: str | None = None, label: str | None = None
) -> VectorStoreRow:
    """The row of a store that shall be.

    Args:
        project_id: whose store.
        embedder: name of the embedder that makes its vectors.
        name: its name, as no other store of the project has it; None takes the id.
        label: the name that it is shown under, which others may have too.

    Returns:
        The row, not yet in the database.
    """
    id, now = new_id(STORE_PREFIX), int(time.time())
    return VectorStoreRow(
        id=id,
        project_id=project_id,
        name=name if name is not None else id,
        label=label,
        collection=collection_name(embedder),
        embedder=embedder,
        created_at=now,
        last_active_at=now,
    )


def find_store_row(session: Session, project_id: str, name: str) -> VectorStoreRow | None:
    """Look a store up that is not deleted.

    Args:
        session: a transaction.
        project_id: whose stores count.
        name: its id or its name.

    Returns:
        Its row; None if there is none.

    Raises:
        NotFoundError: several have that name, so that it leads to none.
    """
    if not name:
        return None  # stores that were made without a name are found by their ids alone
    seen = select(VectorStoreRow).filter_by(project_id=project_id, deleted_at=None)
    by_id = session.scalar(seen.filter_by(id=name))
    if by_id is not None:
        return by_id
    shown = func.coalesce(VectorStoreRow.label, VectorStoreRow.name)
    rows = list(session.scalars(seen.where(shown == name).order_by(VectorStoreRow.id).limit(10)))
    if len(rows) > 1:
        raise NotFoundError(
            f'Several vector stores are called "{name}": {", ".join(row.id for row in rows)}. Say which by its id.',
            param="vector_stores",
            code="ambiguous_name",
        )
    return rows[0] if rows else None


def expires_at(row: VectorStoreRow) -> int | None:
    """When a store ends by itself.

    Args:
        row: its row.

    Returns:
        Unix seconds; None if it never does.
    """
    if row.expires_after_days is None:
        return None
    return (row.last_active_at or row.created_at) + row.expires_after_days * 24 * 3600


def has_expired(row: VectorStoreRow) -> bool:
    """Whether a store has ended.

    Args:
        row: its row.

    Returns:
        True from its last moment on, noted or not.
    """
    ends = expires_at(row)
    return row.expired_at is not None or (ends is not None and ends <= time.time())


def to_store(row: VectorStoreRow, *, hidden: Sequence[str] = ()) -> StoreRecord:
    """A store as the vector store knows it.

    Args:
        row: its row.
        hidden: its documents that are on their way out.

    Returns:
        The record.
    """
    name = row.name if row.label is None else row.label or row.id
    return StoreRecord(row.id, row.project_id, name, row.collection, row.embedder, tuple(hidden))


def _require_alive(row: VectorStoreRow) -> None:
    if has_expired(row):
        raise ConfigError(
            f'The vector store "{to_store(row).name}" has expired: {row.expires_after_days} days passed without a use. '
            "Make a new one, and attach the files to it.",
            param="vector_stores",
            code="vector_store_expired",
        )


def _hidden(session: Session, store_id: str) -> list[str]:
    leaving = select(DocumentRow.path).filter_by(store_id=store_id, pending=True)
    return list(session.scalars(leaving.where(DocumentRow.status.in_(("deleting", "cancelled")))))


def _bring_back(session: Session, row: DocumentRow) -> None:
    """A document that was deleted through the API is ingested again: as a new one."""
    session.execute(
        update(DocumentRow)
        .where(DocumentRow.store_id == row.store_id, DocumentRow.path == row.path)
        .where(DocumentRow.status.in_(GONE))
        .values(status="completed", pending=False, attributes={}, created_at=int(time.time()))
    )


def _to_document(row: DocumentRow) -> DocumentRecord:
    return DocumentRecord(
        row.path,
        row.source,
        row.title,
        row.content_hash,
        row.chunking,
        row.num_chunks,
        row.usage_bytes,
        row.attributes,
    )
