"""What is said of vector stores, their files and their batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.gateway.description.operation import (
    COUNT,
    FLAG,
    METADATA,
    MOMENT,
    TEXT,
    Operation,
    Schema,
    const,
    deleted,
    list_of,
    nullable,
    one_of,
    page_of,
    record,
    ref,
)
from tunesmith.gateway.vector_stores.request import (
    AttributeFields,
    BatchFields,
    FileFields,
    FilePageFields,
    SearchFields,
    StoreFields,
    StorePageFields,
    StoreUpdateFields,
)
from tunesmith.stores.attribute_filter import filter_schema

_STORES = "/v1/vector_stores"
_STORE_PATH = f"{_STORES}/{{store_id}}"
_FILES, _BATCHES = f"{_STORE_PATH}/files", f"{_STORE_PATH}/file_batches"
_STATUS = one_of("in_progress", "completed", "cancelled", "failed")
_COUNTS = record(dict.fromkeys(("in_progress", "completed", "failed", "cancelled", "total"), COUNT))
_ATTRIBUTES: Schema = {"type": "object"}
_PASSAGE = record({"type": const("text"), "text": TEXT})
_STORE = record(
    {
        "id": TEXT,
        "object": const("vector_store"),
        "created_at": MOMENT,
        "name": TEXT,
        "description": nullable(TEXT),
        "usage_bytes": COUNT,
        "file_counts": _COUNTS,
        "status": one_of("expired", "in_progress", "completed"),
        "expires_at": nullable(MOMENT),
        "last_active_at": nullable(MOMENT),
        "metadata": METADATA,
    },
    {"expires_after": record({"anchor": const("last_active_at"), "days": COUNT})},
)
_FILE = record(
    {
        "id": TEXT,
        "object": const("vector_store.file"),
        "usage_bytes": COUNT,
        "created_at": MOMENT,
        "vector_store_id": TEXT,
        "status": _STATUS,
        "last_error": nullable(record({"code": TEXT, "message": TEXT})),
        "chunking_strategy": record({"type": one_of("static", "other")}, closed=False),
        "attributes": _ATTRIBUTES,
    }
)
_BATCH = record(
    {
        "id": TEXT,
        "object": const("vector_store.files_batch"),
        "created_at": MOMENT,
        "vector_store_id": TEXT,
        "status": _STATUS,
        "file_counts": _COUNTS,
    }
)


def _page(kind: str, entry: Schema, more: Mapping[str, Schema]) -> dict[str, Any]:
    head = {"object": const(kind), "data": list_of(entry), "has_more": FLAG, "next_page": nullable(TEXT)}
    return record({**head, **more})


_FOUND = _page(
    "vector_store.search_results.page",
    record(
        {
            "file_id": TEXT,
            "filename": TEXT,
            "score": {"type": "number"},
            "attributes": _ATTRIBUTES,
            "content": list_of(_PASSAGE),
        }
    ),
    {"search_query": list_of(TEXT)},
)

STORE_SCHEMAS: Mapping[str, Schema] = {
    "VectorStore": _STORE,
    "VectorStoreFile": _FILE,
    "VectorStoreFileBatch": _BATCH,
    "AttributeFilter": filter_schema(ref("AttributeFilter")),
}
"""By name."""
STORE_OPERATIONS: Mapping[str, Operation] = {
    f"POST {_STORES}": Operation(
        summary="Make a store", body=StoreFields, answer=ref("VectorStore"), refusals=(404,)
    ),
    f"GET {_STORES}": Operation(
        summary="Stores", query=StorePageFields, answer=page_of(ref("VectorStore")), refusals=(400, 404)
    ),
    f"GET {_STORE_PATH}": Operation(summary="A store", answer=ref("VectorStore")),
    f"POST {_STORE_PATH}": Operation(
        summary="Change a store", body=StoreUpdateFields, answer=ref("VectorStore")
    ),
    f"DELETE {_STORE_PATH}": Operation(summary="Delete a store", answer=deleted("vector_store.deleted")),
    f"POST {_STORE_PATH}/search": Operation(
        summary="Search a store",
        body=SearchFields,
        fields={"filters": nullable(ref("AttributeFilter"))},
        answer=_FOUND,
        refusals=(504,),
    ),
    f"POST {_FILES}": Operation(
        summary="Have a file indexed", body=FileFields, answer=ref("VectorStoreFile"), refusals=(409,)
    ),
    f"GET {_FILES}": Operation(
        summary="Files of a store",
        query=FilePageFields,
        answer=page_of(ref("VectorStoreFile")),
        refusals=(400,),
    ),
    f"GET {_FILES}/{{file_id}}": Operation(summary="A file of a store", answer=ref("VectorStoreFile")),
    f"POST {_FILES}/{{file_id}}": Operation(
        summary="Give a file other attributes",
        body=AttributeFields,
        answer=ref("VectorStoreFile"),
        refusals=(409,),
    ),
    f"DELETE {_FILES}/{{file_id}}": Operation(
        summary="Take a file out of a store", answer=deleted("vector_store.file.deleted")
    ),
    f"GET {_FILES}/{{file_id}}/content": Operation(
        summary="What a file says, as it was read",
        answer=_page("vector_store.file_content.page", _PASSAGE, {}),
        refusals=(400, 409, 504),
    ),
    f"POST {_BATCHES}": Operation(
        summary="Have files indexed", body=BatchFields, answer=ref("VectorStoreFileBatch"), refusals=(409,)
    ),
    f"GET {_BATCHES}/{{batch_id}}": Operation(summary="A batch of files", answer=ref("VectorStoreFileBatch")),
    f"POST {_BATCHES}/{{batch_id}}/cancel": Operation(
        summary="Cancel a batch of files", answer=ref("VectorStoreFileBatch"), refusals=(409,)
    ),
    f"GET {_BATCHES}/{{batch_id}}/files": Operation(
        summary="Files of a batch",
        query=FilePageFields,
        answer=page_of(ref("VectorStoreFile")),
        refusals=(400,),
    ),
}
"""By method and path."""
