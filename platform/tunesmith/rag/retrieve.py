"""From a question to numbered sources: hybrid search, best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tunesmith.config.serve import RetrievalConfig
from tunesmith.engines.protocols import QueryEmbedder
from tunesmith.records import Hit, Source
from tunesmith.stores.vectors import StoreRecord, VectorStore


def retrieve(
    question: str,
    *,
    embedder: QueryEmbedder,
    vectors: VectorStore,
    stores: Sequence[StoreRecord],
    retrieval: RetrievalConfig,
    lap: Callable[[str], None] = lambda _step: None,
) -> tuple[Source, ...]:
    """Find the sources for a question.

    Args:
        question: the user's question.
        embedder: the embedder that made the stores' vectors.
        vectors: where to search.
        stores: one or more stores of one embedder; they say whose project they are.
        retrieval: how many sources, from how many candidates.
        lap: told when a step has ended: `embed`, `search`.

    Returns:
        At most `top_k` sources, numbered from 1 in the order in which the model sees them.

    Raises:
        ConfigError: the stores have different embedders.
        UnavailableError: the vector store does not answer.
    """
    (vector,) = embedder.embed([question])
    lap("embed")
    hits = vectors.search(
        stores,
        question,
        vector=vector,
        top_k=retrieval.top_k,
        candidates=max(retrieval.candidates, retrieval.top_k),
    )
    sources = number_sources(hits)
    lap("search")
    return sources


def number_sources(hits: Sequence[Hit]) -> tuple[Source, ...]:
    """Number hits as the prompt shows them.

    Args:
        hits: best first.

    Returns:
        Sources 1, 2, 3 and so on; a text that stands in several hits is shown once.
    """
    shown = {hit.chunk.text: hit for hit in reversed(hits)}
    kept = [hit for hit in hits if shown[hit.chunk.text] is hit]
    return tuple(Source(number, hit) for number, hit in enumerate(kept, 1))
