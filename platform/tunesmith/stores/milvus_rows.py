"""Between nouns and Milvus's rows and expressions. Imports no pymilvus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.errors import ConfigError
from tunesmith.records import Chunk, Hit
from tunesmith.stores.attribute_filter import AttributeValue
from tunesmith.stores.vectors import EmbeddedChunk, StoreRecord, keeps_attributes

_CHUNK_FIELDS = ["document", "title", "position", "start", "end", "text"]
_BEST_FUSED_SCORE = 2 / 61
"""Of a hit that comes first in both searches: 1 / (60 + 1) of each."""


def chunk_fields() -> list[str]:
    """Fields that make a chunk.

    Returns:
        Their names in the schema.
    """
    return ["id", *_CHUNK_FIELDS]


def hit_fields(collection: str) -> list[str]:
    """Fields that a search returns.

    Args:
        collection: where it searches.

    Returns:
        Their names in the schema.
    """
    return [*_CHUNK_FIELDS, "scope", *(["attributes"] if keeps_attributes(collection) else [])]


def to_row(store: StoreRecord, embedded: EmbeddedChunk) -> dict[str, Any]:
    """Write a chunk as a row.

    Args:
        store: the store it belongs to.
        embedded: chunk and vector.

    Returns:
        The fields of the schema.
    """
    chunk = embedded.chunk
    attributes = (
        {"attributes": stored_attributes(embedded.attributes)} if keeps_attributes(store.collection) else {}
    )
    return attributes | {
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


def to_chunk(fields: Mapping[str, Any]) -> Chunk:
    """Read a chunk.

    Args:
        fields: those of `chunk_fields`.

    Returns:
        The chunk.
    """
    return Chunk(
        id=fields["id"],
        document=fields["document"],
        title=fields["title"],
        position=fields["position"],
        start=fields["start"],
        end=fields["end"],
        text=fields["text"],
    )


def to_hit(row: Mapping[str, Any], stores: Mapping[str, StoreRecord]) -> Hit:
    """Read a found row.

    Args:
        row: `id`, `distance` and `entity` with those of `hit_fields`.
        stores: scope -> store.

    Returns:
        The hit. Fused scores are sums of 1 / (60 + rank) on every backend, so larger is better (Milvus Lite's BM25
        distances alone are negative); here they are shares of the best there can be.
    """
    entity = row["entity"]
    store = stores[entity["scope"]]
    return Hit(
        to_chunk({**entity, "id": row["id"]}),
        score=min(1.0, float(row["distance"]) / _BEST_FUSED_SCORE),
        store=store.name,
        store_id=store.id,
        attributes=shown_attributes(entity.get("attributes") or {}),
    )


def stored_attributes(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """Write attributes as Milvus keeps them: each under its kind and its name, so that kinds never mix.

    JSON paths compare `true` with 1 on some backends and not on others.

    Args:
        attributes: name -> value.

    Returns:
        `{"s:team": "hr", "n:year": 2026, "b:draft": false}`.
    """
    return {stored_key(key, value): value for key, value in attributes.items()}


def stored_key(key: str, value: AttributeValue) -> str:
    """The name under which an attribute of this kind lies in Milvus.

    Args:
        key: its name.
        value: a value of its kind.

    Returns:
        Kind and name.
    """
    kind = "b" if isinstance(value, bool) else "s" if isinstance(value, str) else "n"
    return f"{kind}:{key}"


def shown_attributes(stored: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """Read attributes back.

    Args:
        stored: as `stored_attributes` wrote them.

    Returns:
        Name -> value.
    """
    return {key[2:]: value for key, value in stored.items()}


def within(stores: Sequence[StoreRecord]) -> str:
    """Filter for the chunks of some stores that may be seen.

    Args:
        stores: the stores.

    Returns:
        A Milvus expression on the partition key.
    """
    hidden = [
        f" and not (scope == {literal(store.scope)} and document in {literal(list(store.hidden))})"
        for store in stores
        if store.hidden
    ]
    return everything_of(stores) + "".join(hidden)


def everything_of(stores: Sequence[StoreRecord]) -> str:
    """Filter for all chunks of some stores.

    Args:
        stores: the stores.

    Returns:
        A Milvus expression on the partition key.
    """
    return f"scope in {literal([store.scope for store in stores])}"


def of_documents(store: StoreRecord, documents: Sequence[str]) -> str:
    """Filter for the chunks of some documents of a store.

    Args:
        store: the store.
        documents: their paths; may hold quotes and any letter.

    Returns:
        A Milvus expression.
    """
    return f"{everything_of([store])} and document in {literal(list(documents))}"


def require_attributes(collection: str, stores: Sequence[StoreRecord]) -> None:
    """Refuse a filter where there is nothing to filter by.

    Args:
        collection: where it would search.
        stores: the stores that were named.

    Raises:
        ConfigError: the collection is of a schema without attributes.
    """
    if not keeps_attributes(collection):
        names = ", ".join(f'"{store.name}"' for store in stores)
        raise ConfigError(
            f"filters cannot be used on {names}: it was filled by a version that kept no attributes. Ingest its "
            "documents into a new store, or leave the filters out.",
            param="filters",
        )


def literal(value: Any) -> str:
    """Write a value into an expression.

    Args:
        value: a text, a number, a boolean, or a list of them.

    Returns:
        Milvus reads literals with the escapes of JSON.
    """
    return json.dumps(value, ensure_ascii=False)
