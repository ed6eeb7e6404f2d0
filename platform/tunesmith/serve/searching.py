"""Searches and documents read back, for whoever asks without a model. Knows neither Ray nor HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tunesmith.config.serve import RetrievalConfig
from tunesmith.engines.protocols import QueryEmbedder
from tunesmith.rag.retrieve import find_hits
from tunesmith.records import Hit
from tunesmith.serve.answer_request import served_stores
from tunesmith.serve.search_request import DocumentRequest, SearchRequest
from tunesmith.stores.attribute_filter import parse_filter
from tunesmith.stores.vectors import VectorStore


class Searcher:
    """Looks into stores.

    Args:
        embedder: the embedder that filled them.
        vectors: where they lie.
        retrieval: how many candidates are looked at.
    """

    def __init__(self, *, embedder: QueryEmbedder, vectors: VectorStore, retrieval: RetrievalConfig) -> None:
        self._embedder = embedder
        self._vectors = vectors
        self._retrieval = retrieval

    async def search(self, request: SearchRequest) -> Mapping[str, Any]:
        """Search.

        Args:
            request: what for, and where.

        Returns:
            `{"hits": [...]}`, best first.

        Raises:
            PlatformError: a filter is wrong, the stores have different embedders, or the vector store does not answer.
        """
        hits = await asyncio.to_thread(
            find_hits,
            request.queries,
            embedder=self._embedder,
            vectors=self._vectors,
            stores=served_stores(request.vector_stores, self._embedder.name),
            retrieval=self._retrieval.model_copy(update={"top_k": request.max_num_results}),
            only=parse_filter(request.filters) if request.filters else None,
            score_threshold=request.score_threshold,
        )
        return {"hits": [_hit(hit) for hit in hits]}

    async def document(self, request: DocumentRequest) -> Mapping[str, Any]:
        """Read a document back.

        Args:
            request: which one.

        Returns:
            `{"texts": [...]}`: its text in order, without what neighbouring chunks share.

        Raises:
            UnavailableError: the vector store does not answer.
        """
        store = request.vector_store.record()
        chunks = await asyncio.to_thread(self._vectors.chunks, store, request.document)
        texts, read = [], 0
        for chunk in chunks:
            texts.append(chunk.text[max(0, read - chunk.start) :])
            read = max(read, chunk.end)
        return {"texts": [text for text in texts if text]}


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "store_id": hit.store_id,
        "document": hit.chunk.document,
        "text": hit.chunk.text,
        "score": hit.score,
        "attributes": dict(hit.attributes),
    }
