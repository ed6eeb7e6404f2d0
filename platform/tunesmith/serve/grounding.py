"""A checked answer as JSON: the `tunesmith` extension of a chat completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.rag.place import sentence_ends
from tunesmith.records import Answer, CheckedSentence, Citation, Source


def to_extension(answer: Answer, *, timings_ms: Mapping[str, float]) -> dict[str, Any]:
    """Render what the check found.

    Args:
        answer: the checked answer.
        timings_ms: milliseconds by step.

    Returns:
        Abstention, citations, sentences, sources and timings, JSON-ready; what is withheld, where something is.
    """
    return {
        "abstained": answer.abstained,
        **({"withheld": answer.withheld} if answer.withheld is not None else {}),
        "citations": [_citation(citation) for citation in answer.citations],
        "sentences": list(map(_sentence, answer.sentences, sentence_ends(answer))),
        "sources": sources_json(answer.sources),
        "timings_ms": {step: round(value, 2) for step, value in timings_ms.items()},
    }


def sources_json(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Render what retrieval found.

    Args:
        sources: in prompt order.

    Returns:
        One JSON object a source.
    """
    return [_source(source) for source in sources]


def _citation(citation: Citation) -> dict[str, Any]:
    return {
        "number": citation.number,
        "document": citation.document,
        "start": citation.start,
        "end": citation.end,
        "text": citation.text,
        "status": citation.status,
    }


def _sentence(sentence: CheckedSentence, end: int) -> dict[str, Any]:
    citations = [_citation(citation) for citation in sentence.citations]
    return {"text": sentence.text, "end": end, "supported": sentence.supported, "citations": citations}


def _source(source: Source) -> dict[str, Any]:
    chunk = source.hit.chunk
    return {
        "number": source.number,
        "store": source.hit.store,
        "store_id": source.hit.store_id,
        "document": chunk.document,
        "title": chunk.title,
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "score": source.hit.score,
        "attributes": dict(source.hit.attributes),
    }
