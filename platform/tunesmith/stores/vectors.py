"""The vector store protocol: what ingest writes and retrieval reads, whatever the backend.

One collection holds the chunks of one embedder and one schema version, over all projects and stores; a
store is a partition of it. So an upgrade writes a new collection and flips one row a store.

    collection chunks_v1_all_minilm_l6_v2_3f2a9c81
      scope default/vs_1a2b...   [chunk] [chunk] ...      <- store "documents" of project "default"
      scope acme/vs_9c8d...      [chunk] ...
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tunesmith.errors import ConfigError
from tunesmith.records import Chunk, Hit
from tunesmith.stores.attribute_filter import AttributeFilter, AttributeValue

SCHEMA_VERSION = 2
"""Rises when the fields or the analyzer of a collection change; older collections stay as they are."""


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """A named set of documents, and where its vectors lie.

    Attributes:
        id: `vs_...`; never changes.
        project_id: the project that owns it.
        name: unique in the project.
        collection: the collection with its vectors.
        embedder: name of the embedder that made them.
        hidden: documents whose chunks are on their way out; no search finds them any more.
    """

    id: str
    project_id: str
    name: str
    collection: str
    embedder: str
    hidden: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """Partition key of its chunks: project and store."""
        return f"{self.project_id}/{self.id}"


@dataclass(frozen=True, slots=True)
class EmbeddedChunk:
    """A chunk ready to be written.

    Attributes:
        chunk: the chunk.
        search_text: what is embedded and what BM25 sees: title, headings and the chunk's text.
        vector: unit vector of `search_text`.
        attributes: those of its document.
    """

    chunk: Chunk
    search_text: str
    vector: Sequence[float]
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


class VectorStore(Protocol):
    """Chunks of all stores, found by meaning and by words. Every write may be repeated without harm."""

    def upsert(self, store: StoreRecord, chunks: Sequence[EmbeddedChunk]) -> None:
        """Write chunks; those with a known id are replaced. The collection is made if need be.

        Args:
            store: the store they belong to.
            chunks: any number.

        Raises:
            ConfigError: the vectors have another length than those of the collection.
            UnavailableError: the backend does not answer.
        """

    def delete(self, store: StoreRecord, ids: Sequence[str]) -> None:
        """Delete chunks by id; unknown ids are fine.

        Args:
            store: the store they belong to.
            ids: chunk ids.

        Raises:
            UnavailableError: the backend does not answer.
        """

    def drop(self, store: StoreRecord) -> None:
        """Delete all chunks of a store.

        Args:
            store: the store.

        Raises:
            UnavailableError: the backend does not answer.
        """

    def set_attributes(
        self, store: StoreRecord, document: str, attributes: Mapping[str, AttributeValue]
    ) -> None:
        """Give the chunks of a document other attributes.

        Args:
            store: the store.
            document: its path; nothing happens where it has no chunks.
            attributes: all of them; others go.

        Raises:
            UnavailableError: the backend does not answer.
        """

    def chunks(self, store: StoreRecord, document: str) -> list[Chunk]:
        """Read a document back.

        Args:
            store: the store.
            document: its path.

        Returns:
            Its chunks in order.

        Raises:
            UnavailableError: the backend does not answer.
        """

    def chunk_ids(self, store: StoreRecord, documents: Sequence[str]) -> set[str]:
        """List the chunks of some documents.

        Args:
            store: the store.
            documents: paths of documents.

        Returns:
            The ids of all their chunks.

        Raises:
            UnavailableError: the backend does not answer.
        """

    def chunk_counts(self, store: StoreRecord) -> Mapping[str, int]:
        """Count a store's chunks, document by document.

        Args:
            store: the store.

        Returns:
            Path of the document -> number of its chunks; empty if there is no collection yet.

        Raises:
            UnavailableError: the backend does not answer.
        """

    def count(self, store: StoreRecord) -> int:
        """Count a store's chunks.

        Args:
            store: the store.

        Returns:
            Their number; 0 if there is no collection yet.

        Raises:
            UnavailableError: the backend does not answer.
        """

    def search(
        self,
        stores: Sequence[StoreRecord],
        question: str,
        *,
        vector: Sequence[float],
        top_k: int,
        candidates: int,
        only: AttributeFilter | None = None,
    ) -> list[Hit]:
        """Find chunks by meaning and by words, fused by reciprocal rank (Cormack et al., SIGIR 2009).

        Args:
            stores: one or more stores of the same collection, thus of the same embedder.
            question: what BM25 looks for.
            vector: the embedded question.
            top_k: hits wanted.
            candidates: hits taken from each of the two searches before they are fused.
            only: what must hold of a document's attributes; it is looked at while searching, not afterwards.

        Returns:
            At most `top_k` hits, best first. A hit that comes first by meaning and by words scores 1, one that comes
            first by either alone 0.5. Empty if nothing was ingested.

        Raises:
            ConfigError: the stores have different embedders, the vector has another length, or the collection is of a
                schema without attributes and `only` is given.
            UnavailableError: the backend does not answer.
        """

    def flush(self, store: StoreRecord) -> None:
        """Bring everything written into its final, indexed form; searches are slow before it.

        Args:
            store: the store that was written.

        Raises:
            UnavailableError: the backend does not answer.
        """

    def close(self) -> None:
        """Let go of the backend. Nothing may be called afterwards."""


def collection_name(embedder: str) -> str:
    """Name the collection of an embedder at today's schema.

    Args:
        embedder: its name, or its folder.

    Returns:
        Letters, digits and `_`, as Milvus asks; different embedders have different names.
    """
    readable = re.sub(r"[^a-z0-9]+", "_", embedder.rpartition("/")[2].lower()).strip("_")[:40]
    return f"chunks_v{SCHEMA_VERSION}_{readable}_{hashlib.sha256(embedder.encode()).hexdigest()[:8]}"


def keeps_attributes(collection: str) -> bool:
    """Whether attributes lie with the vectors of a collection.

    Args:
        collection: its name.

    Returns:
        False for those of the first schema.
    """
    return not collection.startswith("chunks_v1_")


def shared_collection(stores: Sequence[StoreRecord]) -> str:
    """The one collection that several stores lie in.

    Args:
        stores: at least one store.

    Returns:
        The collection's name.

    Raises:
        ConfigError: they lie in several; names store and embedder of each.
    """
    collections = {store.collection for store in stores}
    if len(collections) == 1:
        return collections.pop()
    told = ", ".join(f'"{store.name}" ({store.embedder})' for store in stores) or "none"
    raise ConfigError(
        f"One search takes stores of one embedder, these have several: {told}. "
        "Ask them one by one, or ingest them with the same embedder.",
        param="vector_stores",
    )
