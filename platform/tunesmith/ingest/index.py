"""Documents into the stores: what is new is embedded and written, then what is stale goes, then the row says so.

begin            rows without a hash            a kill from here on ...
upsert           new chunks, deterministic ids
delete           chunks that are not of the new text
finish           rows with hash and chunking    ... to here is repaired by the next ingest
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tunesmith.config.ingest import ChunkConfig
from tunesmith.engines.protocols import Embedder
from tunesmith.ingest.chunk import chunk_document
from tunesmith.ingest.context import search_texts
from tunesmith.records import Chunk, Document
from tunesmith.stores.attribute_filter import AttributeValue
from tunesmith.stores.documents import DocumentCatalog, DocumentRecord
from tunesmith.stores.vectors import EmbeddedChunk, StoreRecord, VectorStore


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document that was read and cut, and waits to be embedded.

    Attributes:
        record: its row to be.
        chunks: its chunks.
        texts: what each chunk is found by.
    """

    record: DocumentRecord
    chunks: tuple[Chunk, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """One store, open for writing.

    Attributes:
        store: the store.
        catalog: its documents.
        vectors: its chunks.
        embedder: what makes its vectors.
        before_write: called before anything is written; raises where it must not be any more.
    """

    store: StoreRecord
    catalog: DocumentCatalog
    vectors: VectorStore
    embedder: Embedder
    before_write: Callable[[], object] = lambda: None

    def prepare(
        self,
        document: Document,
        *,
        source: str,
        chunk: ChunkConfig,
        chunking: str,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> PreparedDocument:
        """Cut a document.

        Args:
            document: the document.
            source: the folder it was found in.
            chunk: how it is cut.
            chunking: the same and all else that decides over its chunks, as one string.
            attributes: what searches may be filtered by.

        Returns:
            The document, ready to be written.
        """
        chunks = chunk_document(
            document, store_id=self.store.id, config=chunk, count_tokens=self.embedder.count_tokens
        )
        texts = tuple(search_texts(document, chunks))
        record = DocumentRecord(
            path=document.path,
            source=source,
            title=document.title,
            content_hash=document.content_hash,
            chunking=chunking,
            num_chunks=len(chunks),
            usage_bytes=_usage_bytes(chunks, texts, self.embedder.dimensions),
            attributes=attributes or {},
        )
        return PreparedDocument(record, tuple(chunks), texts)

    def write(self, documents: Sequence[PreparedDocument], *, batch_size: int) -> None:
        """Embed and write documents in place of what the store holds under their paths.

        Args:
            documents: any number; they become visible together.
            batch_size: chunks embedded and written at a time.
        """
        records = [document.record for document in documents]
        self.before_write()
        self.catalog.begin(self.store, records)
        self._upsert(documents, batch_size)
        self.before_write()
        self._delete_stale(documents)
        self.catalog.finish(self.store, records)

    def remove(self, paths: Sequence[str]) -> None:
        """Take documents out.

        Args:
            paths: their paths.
        """
        self.vectors.delete(self.store, sorted(self.vectors.chunk_ids(self.store, paths)))
        self.catalog.forget(self.store, paths)

    def _upsert(self, documents: Sequence[PreparedDocument], batch_size: int) -> None:
        plain = [chunk for document in documents for chunk in _without_vectors(document)]
        for start in range(0, len(plain), batch_size):
            batch = plain[start : start + batch_size]
            vectors = self.embedder.embed([chunk.search_text for chunk in batch])
            self.before_write()
            embedded = [replace(chunk, vector=vector) for chunk, vector in zip(batch, vectors, strict=True)]
            self.vectors.upsert(self.store, embedded)

    def _delete_stale(self, documents: Sequence[PreparedDocument]) -> None:
        written = {chunk.id for document in documents for chunk in document.chunks}
        held = self.vectors.chunk_ids(self.store, [document.record.path for document in documents])
        self.vectors.delete(self.store, sorted(held - written))


def _without_vectors(document: PreparedDocument) -> list[EmbeddedChunk]:
    return [
        EmbeddedChunk(chunk, text, (), document.record.attributes)
        for chunk, text in zip(document.chunks, document.texts, strict=True)
    ]


def _usage_bytes(chunks: Sequence[Chunk], texts: Sequence[str], dimensions: int) -> int:
    """Both texts of each chunk in UTF-8, and its vector of 32-bit floats."""
    held = (*(chunk.text for chunk in chunks), *texts)
    return sum(len(text.encode()) for text in held) + 4 * dimensions * len(chunks)
