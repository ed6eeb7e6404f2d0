"""Vector stores, their files and their batches as the OpenAI API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tunesmith.stores.documents import document_file_id, document_filename
from tunesmith.stores.store_files import FileBatch, StoreFile
from tunesmith.stores.vector_stores import FileCounts, VectorStoreRecord
from tunesmith.stores.vectors import StoreRecord


def store_object(record: VectorStoreRecord) -> dict[str, Any]:
    """A vector store.

    Args:
        record: the store.

    Returns:
        The JSON object.
    """
    shown: dict[str, Any] = {
        "id": record.id,
        "object": "vector_store",
        "created_at": record.created_at,
        "name": record.name,
        "description": record.description,
        "usage_bytes": record.usage_bytes,
        "file_counts": _counts(record.counts),
        "status": record.status,
        "expires_at": record.expires_at,
        "last_active_at": record.last_active_at,
        "metadata": dict(record.metadata),
    }
    if record.expires_after_days is not None:
        # The specification has no null here.
        shown["expires_after"] = {"anchor": "last_active_at", "days": record.expires_after_days}
    return shown


def file_object(file: StoreFile, store: StoreRecord) -> dict[str, Any]:
    """A file of a vector store.

    Args:
        file: the file.
        store: the store.

    Returns:
        The JSON object. A strategy that was left to the platform is shown as `other`: the specification knows lengths
        from 100 tokens on alone.
    """
    return {
        "id": file.file_id,
        "object": "vector_store.file",
        "usage_bytes": file.usage_bytes,
        "created_at": file.created_at,
        "vector_store_id": store.id,
        "status": file.status,
        "last_error": {"code": file.error[0], "message": file.error[1]} if file.error else None,
        "chunking_strategy": dict(file.strategy) if file.strategy else {"type": "other"},
        "attributes": dict(file.attributes),
    }


def batch_object(batch: FileBatch, store: StoreRecord) -> dict[str, Any]:
    """A batch of files.

    Args:
        batch: the batch.
        store: the store.

    Returns:
        The JSON object.
    """
    return {
        "id": batch.id,
        "object": "vector_store.files_batch",
        "created_at": batch.created_at,
        "vector_store_id": store.id,
        "status": batch.status,
        "file_counts": _counts(batch.counts),
    }


def search_page(
    queries: Sequence[str], hits: Sequence[Mapping[str, Any]], store: StoreRecord
) -> dict[str, Any]:
    """What a search found.

    Args:
        queries: what was searched for.
        hits: as the answer application tells them.
        store: where.

    Returns:
        The JSON object: one entry a chunk, best first, all on one page.
    """
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(queries),
        "data": [
            {
                "file_id": document_file_id(store, hit["document"]),
                "filename": document_filename(hit["document"]),
                "score": hit["score"],
                "attributes": hit["attributes"],
                "content": [{"type": "text", "text": hit["text"]}],
            }
            for hit in hits
        ],
        "has_more": False,
        "next_page": None,
    }


def content_page(texts: Sequence[str]) -> dict[str, Any]:
    """What a file says.

    Args:
        texts: its text, piece by piece.

    Returns:
        The JSON object.
    """
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": text} for text in texts],
        "has_more": False,
        "next_page": None,
    }


def _counts(counts: FileCounts) -> dict[str, int]:
    return asdict(counts) | {"total": counts.total}
