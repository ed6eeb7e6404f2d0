"""Which stores a project has, and which documents lie in each: what an ingest compares files with.

A document's row brackets the writing of its chunks, so that a kill at any point is repaired by the next
ingest of the file:

    begin    row with an empty content hash     "something of this document may lie in the vectors"
    ...      new chunks written, stale ones deleted
    finish   row with hash and chunking         "exactly these chunks lie in the vectors"
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.stores.database import Database, DocumentRow, VectorStoreRow
from tunesmith.stores.vectors import StoreRecord, collection_name


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
    """

    path: str
    source: str
    title: str
    content_hash: str
    chunking: str
    num_chunks: int


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
        query = select(VectorStoreRow).filter_by(project_id=self._project_id).order_by(VectorStoreRow.name)
        with self._database.session() as session:
            return [_to_store(row) for row in session.scalars(query)]

    def store(self, name: str) -> StoreRecord:
        """Look a store up.

        Args:
            name: its name or its id.

        Returns:
            The store.

        Raises:
            NotFoundError: the project has none of that name; lists those it has.
        """
        stores = self.stores()
        for store in stores:
            if name in (store.name, store.id):
                return store
        known = ", ".join(store.name for store in stores) or "none yet"
        raise NotFoundError(
            f'The vector store "{name}" does not exist. There are: {known}. Make one with '
            "`tunesmith ingest PATH --store NAME`.",
            param="vector_stores",
            code="vector_store_not_found",
        )

    def find_or_create(self, name: str, *, embedder: str) -> StoreRecord:
        """Look a store up, or make it.

        Args:
            name: its name.
            embedder: name of the embedder that makes its vectors.

        Returns:
            The store.

        Raises:
            ConfigError: it exists with another embedder.
        """
        try:
            with self._database.session() as session:
                row = session.scalar(select(VectorStoreRow).filter_by(project_id=self._project_id, name=name))
                if row is None:
                    row = self._new_store(name, embedder)
                    session.add(row)
        except IntegrityError:
            # Another process made it at the same moment.
            return self.find_or_create(name, embedder=embedder)
        if row.embedder != embedder:
            raise ConfigError(
                f'embedder="{embedder}", but the store "{name}" was embedded with "{row.embedder}". Set the '
                "embedder back, or ingest into a store of another name.",
                param="embedder",
            )
        return _to_store(row)

    def documents(self, store: StoreRecord) -> Mapping[str, DocumentRecord]:
        """List the documents of a store.

        Args:
            store: the store.

        Returns:
            Path -> record, by path.
        """
        query = select(DocumentRow).filter_by(store_id=store.id, project_id=self._project_id)
        with self._database.session() as session:
            rows = session.scalars(query.order_by(DocumentRow.path))
            return {row.path: _to_document(row) for row in rows}

    def begin(self, store: StoreRecord, documents: Sequence[DocumentRecord]) -> None:
        """Note that the chunks of some documents are about to change.

        Args:
            store: the store.
            documents: their records to be; hash and count are not noted yet.
        """
        with self._database.session() as session:
            for document in documents:
                row = self._row(store, document)
                row.content_hash, row.num_chunks = "", 0
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

    def _new_store(self, name: str, embedder: str) -> VectorStoreRow:
        return VectorStoreRow(
            id=f"vs_{secrets.token_hex(12)}",
            project_id=self._project_id,
            name=name,
            collection=collection_name(embedder),
            embedder=embedder,
            created_at=int(time.time()),
        )

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
            ingested_at=int(time.time()),
        )


def document_file_id(store: StoreRecord, path: str) -> str:
    """The file id under which the API names a document that was ingested from a folder, not uploaded as a file.

    Args:
        store: the store it lies in.
        path: its name in the store.

    Returns:
        `file-...`, made of project, store and path alone: the same after every ingest, on every machine.
    """
    return f"file-{hashlib.sha256(f'{store.scope}/{path}'.encode()).hexdigest()[:24]}"


def _to_store(row: VectorStoreRow) -> StoreRecord:
    return StoreRecord(row.id, row.project_id, row.name, row.collection, row.embedder)


def _to_document(row: DocumentRow) -> DocumentRecord:
    return DocumentRecord(row.path, row.source, row.title, row.content_hash, row.chunking, row.num_chunks)
