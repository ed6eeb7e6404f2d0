"""Between nouns and Milvus's rows and filters. Imports no pymilvus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.records import Chunk, Hit
from tunesmith.stores.vectors import EmbeddedChunk, StoreRecord

HIT_FIELDS = ["document", "title", "position", "start", "end", "text", "scope"]
"""Fields that a search returns."""


def to_row(store: StoreRecord, embedded: EmbeddedChunk) -> dict[str, Any]:
    """Write a chunk as a row.

    Args:
        store: the store it belongs to.
        embedded: chunk and vector.

    Returns:
        The fields of the schema.
    """
    chunk = embedded.chunk
    return {
        "id": chunk.id,
        "scope": store.scope,
        "document": chunk.document,
        "title": chunk.title,
        "position": chunk.position,
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "search_text": embedded.search_text,
        "dense": list(embedded.vector),
    }


def to_hit(row: Mapping[str, Any], names: Mapping[str, str]) -> Hit:
    """Read a found row.

    Args:
        row: `id`, `distance` and `entity` with HIT_FIELDS.
        names: scope -> name of the store.

    Returns:
        The hit. Fused scores are sums of 1 / (60 + rank) on every backend, so larger is better; Milvus
        Lite's BM25 distances alone are negative.
    """
    entity = row["entity"]
    chunk = Chunk(
        id=row["id"],
        document=entity["document"],
        title=entity["title"],
        position=entity["position"],
        start=entity["start"],
        end=entity["end"],
        text=entity["text"],
    )
    return Hit(chunk, score=float(row["distance"]), store=names[entity["scope"]])


def within(stores: Sequence[StoreRecord]) -> str:
    """Filter for the chunks of some stores.

    Args:
        stores: the stores.

    Returns:
        A Milvus expression on the partition key.
    """
    return f"scope in {_literal([store.scope for store in stores])}"


def of_documents(store: StoreRecord, documents: Sequence[str]) -> str:
    """Filter for the chunks of some documents of a store.

    Args:
        store: the store.
        documents: their paths; may hold quotes and any letter.

    Returns:
        A Milvus expression.
    """
    return f"{within([store])} and document in {_literal(documents)}"


def _literal(values: Sequence[str]) -> str:
    # Milvus reads string literals with the escapes of JSON.
    return json.dumps(list(values), ensure_ascii=False)
