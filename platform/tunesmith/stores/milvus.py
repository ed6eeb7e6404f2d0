"""Milvus behind the VectorStore protocol, a real server and Milvus Lite alike; nothing else imports pymilvus.

Dense vectors (HNSW, cosine) and BM25 (Milvus's own function over `search_text`) lie in one collection and
are fused by `hybrid_search` with reciprocal ranks. The partition key is project and store.
"""

from __future__ import annotations

import logging
import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pymilvus import (
    AnnSearchRequest,
    CollectionSchema,
    DataType,
    Function,
    FunctionType,
    MilvusClient,
    MilvusException,
    RRFRanker,
)
from pymilvus.milvus_client import IndexParams

from tunesmith.config.home import Home
from tunesmith.errors import ConfigError, StorageError, UnavailableError
from tunesmith.records import Chunk, Hit
from tunesmith.stores.analyzer import ANALYZER
from tunesmith.stores.attribute_filter import AttributeFilter, AttributeValue
from tunesmith.stores.milvus_filter import to_expression
from tunesmith.stores.milvus_rows import (
    chunk_fields,
    everything_of,
    hit_fields,
    of_documents,
    require_attributes,
    stored_attributes,
    to_chunk,
    to_hit,
    to_row,
    within,
)
from tunesmith.stores.platform_file import read_running
from tunesmith.stores.vectors import (
    EmbeddedChunk,
    StoreRecord,
    VectorStore,
    keeps_attributes,
    shared_collection,
)

_CONNECT_SECONDS = 10.0
_CALL_SECONDS = 60.0
_FLUSH_SECONDS = 600.0
_NO_KEEPALIVE = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": False}
"""pymilvus pings every ten seconds; a server with gRPC's defaults, as Milvus Lite's, hangs up on that."""
_ROWS_PER_CALL = 1000
_RRF_K = 60
_TIES = 8
"""Hits asked for beyond top_k, so that equal ones at its end are told apart by their ids."""
_NOT_LOADED = 101
_MAX_TEXT_BYTES = 65_535
"""Longest text field that Milvus takes, in UTF-8 bytes."""


def open_vectors(home: Home, uri: str | None = None) -> VectorStore:
    """Open an installation's vectors: a given server, the running platform's, or Milvus Lite in this process.

    Args:
        home: the installation.
        uri: a Milvus server, `http://HOST:PORT`; unset: the running platform's, else the home's own.

    Returns:
        The vector store; close it.

    Raises:
        ConflictError: no platform runs and another process holds the home's vectors.
        StorageError: the home cannot be written.
        UnavailableError: the server does not answer.
    """
    running = None if uri else read_running(home)
    if uri or running:
        return MilvusStore(uri or running.milvus_uri)  # type: ignore[union-attr]
    from tunesmith.stores.milvus_lite import EmbeddedMilvus

    embedded = EmbeddedMilvus(home.vectors)
    return MilvusStore(embedded.uri, embedded=embedded)


class MilvusStore:
    """A VectorStore on a Milvus server.

    Args:
        uri: `http://HOST:PORT`.
        token: `user:password` or an API key, if the server asks for one.
        embedded: a server of this process; closed with the store.

    Raises:
        UnavailableError: the server does not answer.
    """

    def __init__(self, uri: str, *, token: str = "", embedded: Any = None) -> None:
        # pymilvus logs each failed try of a call; the error that comes out in the end says it once.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        self._uri = uri
        self._embedded = embedded
        self._loaded: set[str] = set()
        with self._told():
            self._client = MilvusClient(
                uri, token=token, timeout=_CONNECT_SECONDS, grpc_options=_NO_KEEPALIVE
            )

    def upsert(self, store: StoreRecord, chunks: Sequence[EmbeddedChunk]) -> None:
        """Write chunks; see VectorStore.upsert."""
        if not chunks:
            return
        self._require_collection(store, len(chunks[0].vector))
        rows = [to_row(store, chunk) for chunk in chunks]
        with self._told():
            for start in range(0, len(rows), _ROWS_PER_CALL):
                self._client.upsert(
                    store.collection, rows[start : start + _ROWS_PER_CALL], timeout=_CALL_SECONDS
                )

    def delete(self, store: StoreRecord, ids: Sequence[str]) -> None:
        """Delete chunks by id; see VectorStore.delete."""
        if not ids or not self._open(store.collection):
            return
        with self._told():
            for start in range(0, len(ids), _ROWS_PER_CALL):
                batch = list(ids[start : start + _ROWS_PER_CALL])
                self._client.delete(store.collection, ids=batch, timeout=_CALL_SECONDS)

    def drop(self, store: StoreRecord) -> None:
        """Delete all chunks of a store; see VectorStore.drop."""
        if self._open(store.collection):
            with self._told():
                self._client.delete(store.collection, filter=everything_of([store]), timeout=_FLUSH_SECONDS)

    def set_attributes(
        self, store: StoreRecord, document: str, attributes: Mapping[str, AttributeValue]
    ) -> None:
        """Give the chunks of a document other attributes; see VectorStore.set_attributes."""
        if not keeps_attributes(store.collection):
            return
        changed = {"scope": store.scope, "attributes": stored_attributes(attributes)}
        rows = [{"id": id, **changed} for id in sorted(self.chunk_ids(store, [document]))]
        with self._told():
            for start in range(0, len(rows), _ROWS_PER_CALL):
                batch = rows[start : start + _ROWS_PER_CALL]
                self._client.upsert(store.collection, batch, partial_update=True, timeout=_CALL_SECONDS)

    def chunks(self, store: StoreRecord, document: str) -> list[Chunk]:
        """Read a document back; see VectorStore.chunks."""
        rows = self._rows(store.collection, of_documents(store, [document]), chunk_fields())
        return sorted(map(to_chunk, rows), key=lambda chunk: chunk.position)

    def chunk_ids(self, store: StoreRecord, documents: Sequence[str]) -> set[str]:
        """List the chunks of some documents; see VectorStore.chunk_ids."""
        if not documents:
            return set()
        only = of_documents(store, documents)
        return {row["id"] for row in self._rows(store.collection, only, ["id"])}

    def chunk_counts(self, store: StoreRecord) -> Mapping[str, int]:
        """Count chunks by document; see VectorStore.chunk_counts."""
        only = everything_of([store])
        return Counter(row["document"] for row in self._rows(store.collection, only, ["document"]))

    def count(self, store: StoreRecord) -> int:
        """Count a store's chunks; see VectorStore.count."""
        if not self._open(store.collection):
            return 0
        with self._told():
            rows = self._client.query(
                store.collection,
                filter=everything_of([store]),
                output_fields=["count(*)"],
                timeout=_CALL_SECONDS,
            )
        return int(rows[0]["count(*)"])

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
        """Find chunks by meaning and by words; see VectorStore.search."""
        collection = shared_collection(stores)
        if not self._open(collection):
            return []
        self._require_dimensions(collection, len(vector), stores[0].embedder)
        if only:
            require_attributes(collection, stores)
        expression = within(stores) + (f" and {to_expression(only)}" if only else "")
        dense = AnnSearchRequest(
            [list(vector)],
            "dense",
            {"metric_type": "COSINE", "params": {"ef": max(64, candidates)}},
            candidates,
            expr=expression,
        )
        words = AnnSearchRequest([question], "sparse", {"metric_type": "BM25"}, candidates, expr=expression)
        scopes = {store.scope: store for store in stores}
        rows = self._fused(collection, [dense, words], top_k + _TIES)
        return [to_hit(row, scopes) for row in _ranked(rows, vector)[:top_k]]

    def flush(self, store: StoreRecord) -> None:
        """Bring what was written into its indexed form; see VectorStore.flush."""
        if self._open(store.collection):
            with self._told():
                self._client.flush(store.collection, timeout=_FLUSH_SECONDS)

    def close(self) -> None:
        """Let go of the server, and of the embedded one altogether."""
        self._client.close()
        if self._embedded:
            self._embedded.close()

    def _fused(
        self, collection: str, requests: list[AnnSearchRequest], limit: int
    ) -> list[Mapping[str, Any]]:
        try:
            return self._hybrid_search(collection, requests, limit)
        except MilvusException as error:
            if _NOT_LOADED not in (error.code, error.compatible_code):
                raise self._as_error(error) from error
        # A restarted server keeps its collections but no longer holds them in memory.
        self._loaded.discard(collection)
        self._open(collection)
        with self._told():
            return self._hybrid_search(collection, requests, limit)

    def _hybrid_search(
        self, collection: str, requests: list[AnnSearchRequest], limit: int
    ) -> list[Mapping[str, Any]]:
        found = self._client.hybrid_search(
            collection,
            requests,
            RRFRanker(_RRF_K),
            limit=limit,
            output_fields=[*hit_fields(collection), "dense"],
            timeout=_CALL_SECONDS,
        )
        return list(found[0])

    def _rows(self, collection: str, only: str, fields: list[str]) -> Iterator[Mapping[str, Any]]:
        if not self._open(collection):
            return
        with self._told():
            pages = self._client.query_iterator(
                collection,
                batch_size=_ROWS_PER_CALL,
                filter=only,
                output_fields=fields,
                timeout=_CALL_SECONDS,
            )
            while page := pages.next():
                yield from page
            pages.close()

    def _open(self, collection: str) -> bool:
        if collection in self._loaded:
            return True
        with self._told():
            if not self._client.has_collection(collection, timeout=_CALL_SECONDS):
                return False
            self._client.load_collection(collection, timeout=_FLUSH_SECONDS)
        self._loaded.add(collection)
        return True

    def _require_collection(self, store: StoreRecord, dimensions: int) -> None:
        if not self._open(store.collection):
            self._create(store.collection, dimensions)
        self._require_dimensions(store.collection, dimensions, store.embedder)

    def _create(self, collection: str, dimensions: int) -> None:
        try:
            self._client.create_collection(
                collection,
                schema=_build_schema(dimensions),
                index_params=_build_indexes(),
                # A changed document is found by the next question, whoever asks it.
                consistency_level="Strong",
                timeout=_CALL_SECONDS,
            )
        except MilvusException as error:
            # Another process may have made it a moment ago.
            if not self._open(collection):
                raise self._as_error(error) from error
        self._open(collection)

    def _require_dimensions(self, collection: str, dimensions: int, embedder: str) -> None:
        with self._told():
            fields = self._client.describe_collection(collection, timeout=_CALL_SECONDS)["fields"]
        held = next(int(field["params"]["dim"]) for field in fields if field["name"] == "dense")
        if held != dimensions:
            raise ConfigError(
                f'Collection "{collection}" holds {held}-dimensional vectors, but embedder "{embedder}" made '
                f"{dimensions}-dimensional ones. Set the embedder back to the one that filled the store, or "
                "ingest into a new store.",
                param="embedder",
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except MilvusException as error:
            raise self._as_error(error) from error

    def _as_error(self, error: MilvusException) -> StorageError | UnavailableError:
        reason = " ".join(str(error.message).split())
        if "No space left" in reason:
            return StorageError(f"The vectors cannot be written: {reason}. Free some disk space.")
        return UnavailableError(
            f"Milvus at {self._uri} did not do its part: {reason}. Check that it runs and that the "
            "address is right; without milvus_uri the home's own Milvus Lite is used."
        )


def _ranked(rows: Sequence[Mapping[str, Any]], vector: Sequence[float]) -> list[Mapping[str, Any]]:
    """Best first; of an equal rank the nearer in meaning, then by id, so that the same documents give one order.

    What only one of the two searches finds, at the same place, ranks the same. Milvus Lite weighs words by each
    segment's own statistics, so that a word that is rare in the store may count for little in what was added last.
    """
    return sorted(rows, key=lambda row: (-float(row["distance"]), -_similarity(row, vector), row["id"]))


def _similarity(row: Mapping[str, Any], vector: Sequence[float]) -> float:
    return float(sum(map(operator.mul, row["entity"]["dense"], vector)))


def _build_schema(dimensions: int) -> CollectionSchema:
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("scope", DataType.VARCHAR, is_partition_key=True, max_length=512)
    schema.add_field("document", DataType.VARCHAR, max_length=8192)
    schema.add_field("title", DataType.VARCHAR, max_length=4096)
    for name in ("position", "start", "end"):
        schema.add_field(name, DataType.INT64)
    schema.add_field("text", DataType.VARCHAR, max_length=_MAX_TEXT_BYTES)
    analyzed = {"enable_analyzer": True, "analyzer_params": ANALYZER}
    schema.add_field("search_text", DataType.VARCHAR, max_length=_MAX_TEXT_BYTES, **analyzed)
    schema.add_field("attributes", DataType.JSON)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=dimensions)
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(Function("bm25", FunctionType.BM25, ["search_text"], ["sparse"]))
    return schema


def _build_indexes() -> IndexParams:
    indexes = MilvusClient.prepare_index_params()
    # HNSW: arXiv:1603.09320.
    indexes.add_index(
        "dense", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 200}
    )
    indexes.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    return indexes
