"""What is said of the things that a project keeps: models, aliases, files, uploads, feedback; and of the platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from tunesmith.gateway.aliases import AliasFields
from tunesmith.gateway.description.operation import (
    ANY_OBJECT,
    COUNT,
    FLAG,
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
from tunesmith.gateway.feedback import FeedbackFields
from tunesmith.gateway.files.routes import FileListFields
from tunesmith.gateway.files.uploads import CompleteFields, UploadFields
from tunesmith.stores.files import Purpose, UploadPurpose

_BINARY: Schema = {"type": "string", "format": "binary"}
_PURPOSE = one_of(*get_args(UploadPurpose))
_FILE = record(
    {
        "id": TEXT,
        "object": const("file"),
        "bytes": COUNT,
        "created_at": MOMENT,
        "filename": TEXT,
        "purpose": one_of(*get_args(Purpose)),
        "status": const("processed"),
    },
    {"expires_at": MOMENT},
)
_UPLOAD = record(
    {
        "id": TEXT,
        "object": const("upload"),
        "bytes": COUNT,
        "created_at": MOMENT,
        "filename": TEXT,
        "purpose": _PURPOSE,
        "status": one_of("pending", "completed", "cancelled", "expired"),
        "expires_at": MOMENT,
    },
    {"file": ref("File")},
)
_MODEL = record(
    {"id": TEXT, "object": const("model"), "created": MOMENT, "owned_by": TEXT}, {"alias_of": TEXT}
)
_ALIAS = record(
    {
        "object": const("alias"),
        "name": TEXT,
        "model": TEXT,
        "vector_stores": list_of(TEXT),
        "instructions": nullable(TEXT),
    }
)
_FEEDBACK = record(
    {
        "object": const("feedback"),
        "id": TEXT,
        "interaction_id": TEXT,
        "created_at": MOMENT,
        "rating": one_of("up", "down"),
        "correction": nullable(TEXT),
        "comment": nullable(TEXT),
    }
)
_READY = record(
    {
        "ready": FLAG,
        "controller": TEXT,
        "parts": {
            "type": "object",
            "additionalProperties": record({"state": TEXT, "message": TEXT}),
        },
    },
    closed=False,
)
_FORM: Schema = record(
    {"file": _BINARY, "purpose": _PURPOSE},
    {
        "expires_after[anchor]": const("created_at"),
        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
    },
) | {
    "dependentRequired": {
        "expires_after[anchor]": ["expires_after[seconds]"],
        "expires_after[seconds]": ["expires_after[anchor]"],
    }
}

RESOURCE_SCHEMAS: Mapping[str, Schema] = {
    "File": _FILE,
    "Upload": _UPLOAD,
    "Model": _MODEL,
    "Alias": _ALIAS,
    "Feedback": _FEEDBACK,
    "Readiness": _READY,
}
"""By name."""
RESOURCE_OPERATIONS: Mapping[str, Operation] = {
    "GET /healthz": Operation(
        summary="The gateway lives", answer=record({"status": const("ok")}), keyed=False
    ),
    "GET /readyz": Operation(
        summary="Whether everything behind the gateway answers",
        answer=ref("Readiness"),
        more={503: ref("Readiness")},
        keyed=False,
    ),
    "GET /metrics": Operation(
        summary="What the gateway counts, for Prometheus", answer=TEXT, answer_type="text/plain", keyed=False
    ),
    "GET /v1/openapi.json": Operation(summary="This document", answer=ANY_OBJECT),
    "GET /v1/models": Operation(
        summary="The base, tuned versions and aliases",
        answer=record({"object": const("list"), "data": list_of(ref("Model"))}),
    ),
    "GET /v1/models/{model}": Operation(summary="A model", answer=ref("Model")),
    "DELETE /v1/models/{model}": Operation(
        summary="Take the name of a tuned version away", answer=deleted("model"), refusals=(409,)
    ),
    "GET /v1/aliases": Operation(
        summary="Stable names and what they point at",
        answer=record({"object": const("list"), "data": list_of(ref("Alias")), "has_more": FLAG}),
    ),
    "POST /v1/aliases": Operation(
        summary="Make or move an alias", body=AliasFields, answer=ref("Alias"), refusals=(404,)
    ),
    "GET /v1/aliases/{name}": Operation(summary="An alias", answer=ref("Alias")),
    "DELETE /v1/aliases/{name}": Operation(
        summary="Take an alias away",
        answer=record(
            {"object": const("alias"), "name": TEXT, "deleted": {"type": "boolean", "enum": [True]}}
        ),
    ),
    "POST /v1/aliases/{name}/rollback": Operation(
        summary="Point an alias at what it pointed at before", answer=ref("Alias"), refusals=(409,)
    ),
    "POST /v1/files": Operation(
        summary="Upload a file", body=_FORM, body_type="multipart/form-data", answer=ref("File")
    ),
    "GET /v1/files": Operation(
        summary="Files", query=FileListFields, answer=page_of(ref("File")), refusals=(400,)
    ),
    "GET /v1/files/{file_id}": Operation(summary="A file, without its bytes", answer=ref("File")),
    "DELETE /v1/files/{file_id}": Operation(summary="Delete a file", answer=deleted("file")),
    "GET /v1/files/{file_id}/content": Operation(
        summary="The bytes of a file", answer=_BINARY, answer_type="application/octet-stream"
    ),
    "POST /v1/uploads": Operation(
        summary="Begin a file that comes in parts", body=UploadFields, answer=ref("Upload")
    ),
    "POST /v1/uploads/{upload_id}/parts": Operation(
        summary="Send a part",
        body=record({"data": _BINARY}),
        body_type="multipart/form-data",
        answer=record({"id": TEXT, "object": const("upload.part"), "created_at": MOMENT, "upload_id": TEXT}),
        refusals=(409,),
    ),
    "POST /v1/uploads/{upload_id}/complete": Operation(
        summary="Put the parts together", body=CompleteFields, answer=ref("Upload"), refusals=(409,)
    ),
    "POST /v1/uploads/{upload_id}/cancel": Operation(
        summary="Give an upload up", answer=ref("Upload"), refusals=(400, 409)
    ),
    "POST /v1/feedback": Operation(
        summary="Rate an answer that was kept, or correct it",
        body=FeedbackFields,
        answer=ref("Feedback"),
        refusals=(404,),
    ),
}
"""By method and path."""
