"""From a question to numbered sources: hybrid search, best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tunesmith.config.serve import RetrievalConfig
from tunesmith.engines.protocols import QueryEmbedder
from tunesmith.records import Hit, Source
from tunesmith.stores.attribute_filter import AttributeFilter
from tunesmith.stores.vectors import StoreRecord, VectorStore


def retrieve(
    question: str,
    *,
    embedder: QueryEmbedder,
    vectors: VectorStore,
    stores: Sequence[StoreRecord],
    retrieval: RetrievalConfig,
    lap: Callable[[str], None] = lambda _step: None,
    only: AttributeFilter | None = None,
    score_threshold: float = 0,
) -> tuple[Source, ...]:
    """Find the sources for a question.

    Args:
        question: the user's question.
        embedder: the embedder that made the stores' vectors.
        vectors: where to search.
        stores: one or more stores of one embedder; they say whose project they are.
        retrieval: how many sources, from how many candidates.
        lap: told when a step has ended: `embed`, `search`.
        only: what must hold of a document's attributes.
        score_threshold: hits that score less are no sources.

    Returns:
        At most `top_k` sources, numbered from 1 in the order in which the model sees them.

    Raises:
        ConfigError: the stores have different embedders.
        UnavailableError: the vector store does not answer.
    """
    hits = find_hits(
        [question],
        embedder=embedder,
        vectors=vectors,
        stores=stores,
        retrieval=retrieval,
        lap=lap,
        only=only,
        score_threshold=score_threshold,
    )
    sources = number_sources(hits)
    lap("search")
    return sources


def find_hits(
    questions: Sequence[str],
    *,
    embedder: QueryEmbedder,
    vectors: VectorStore,
    stores: Sequence[StoreRecord],
    retrieval: RetrievalConfig,
    lap: Callable[[str], None] = lambda _step: None,
    only: AttributeFilter | None = None,
    score_threshold: float = 0,
) -> list[Hit]:
    """Find what several questions have hits in.

    Args:
        questions: at least one.
        embedder: the embedder that made the stores' vectors.
        vectors: where to search.
        stores: one or more stores of one embedder; they say whose project they are.
        retrieval: how many hits, from how many candidates a question.
        lap: told when the questions are embedded: `embed`.
        only: what must hold of a document's attributes.
        score_threshold: hits that score less are left out.

    Returns:
        At most `top_k` hits, best first; one that several questions find, by its best score.

    Raises:
        ConfigError: the stores have different embedders, or keep no attributes to filter by.
        UnavailableError: the vector store does not answer.
    """
    embedded = embedder.embed(questions)
    lap("embed")
    best: dict[str, Hit] = {}
    for question, vector in zip(questions, embedded, strict=True):
        for hit in vectors.search(
            stores,
            question,
            vector=vector,
            top_k=retrieval.top_k,
            candidates=max(retrieval.candidates, retrieval.top_k),
            only=only,
        ):
            known = best.get(hit.chunk.id)
            if hit.score >= score_threshold and (known is None or known.score < hit.score):
                best[hit.chunk.id] = hit
    ranked = sorted(best.values(), key=lambda hit: -hit.score)
    return ranked[: retrieval.top_k]


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
