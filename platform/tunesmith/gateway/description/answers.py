"""What is said of what the engine answers: chat, completions, embeddings, responses; and of what it cannot."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.gateway.chat import ChatFields
from tunesmith.gateway.completions import CompletionFields
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
    query_parameter,
    record,
    ref,
)
from tunesmith.gateway.embeddings import EmbeddingFields
from tunesmith.gateway.paging import PageFields
from tunesmith.gateway.responses.request import ResponseFields

_ENGINE_REFUSALS = (404, 504)
_USAGE = record({"prompt_tokens": COUNT, "total_tokens": COUNT}, {"completion_tokens": COUNT}, closed=False)
_CHAT = record(
    {
        "id": TEXT,
        "object": const("chat.completion"),
        "created": MOMENT,
        "model": TEXT,
        "choices": list_of(
            record(
                {
                    "index": COUNT,
                    "message": record(
                        {"role": const("assistant"), "content": nullable(TEXT), "refusal": nullable(TEXT)},
                        closed=False,
                    ),
                    "finish_reason": TEXT,
                    "logprobs": nullable(ANY_OBJECT),
                },
                closed=False,
            )
        ),
        "usage": ref("Usage"),
    },
    {"tunesmith": ANY_OBJECT},
    closed=False,
)
_COMPLETION = record(
    {
        "id": TEXT,
        "object": const("text_completion"),
        "created": MOMENT,
        "model": TEXT,
        "choices": list_of(
            record(
                {"index": COUNT, "text": TEXT, "finish_reason": TEXT, "logprobs": nullable(ANY_OBJECT)},
                closed=False,
            )
        ),
        "usage": ref("Usage"),
    },
    closed=False,
)
_EMBEDDINGS = record(
    {
        "object": const("list"),
        "data": list_of(
            record(
                {
                    "object": const("embedding"),
                    "index": COUNT,
                    "embedding": {"anyOf": [list_of({"type": "number"}), TEXT]},
                }
            )
        ),
        "model": TEXT,
        "usage": ref("Usage"),
    }
)
_RESPONSE = record(
    {
        "id": TEXT,
        "object": const("response"),
        "created_at": MOMENT,
        "status": one_of("completed", "incomplete", "failed", "in_progress"),
        "model": TEXT,
        "output": list_of(ANY_OBJECT),
        "error": nullable(ANY_OBJECT),
        "incomplete_details": nullable(ANY_OBJECT),
        "previous_response_id": nullable(TEXT),
        "metadata": ANY_OBJECT,
        "store": FLAG,
    },
    {"usage": ANY_OBJECT, "tunesmith": ANY_OBJECT},
    closed=False,
)
_INCLUDE: Schema = query_parameter("include", list_of(TEXT), "What else to show.")

ANSWER_SCHEMAS: Mapping[str, Schema] = {
    "ChatCompletion": _CHAT,
    "Completion": _COMPLETION,
    "Embeddings": _EMBEDDINGS,
    "Response": _RESPONSE,
    "Usage": _USAGE,
}
"""By name."""
ANSWER_OPERATIONS: Mapping[str, Operation] = {
    "POST /v1/chat/completions": Operation(
        summary="An answer in a conversation; what the engine knows besides these fields goes to it",
        body=ChatFields,
        nulls=True,
        answer=ref("ChatCompletion"),
        events=True,
        refusals=_ENGINE_REFUSALS,
    ),
    "POST /v1/completions": Operation(
        summary="A prompt gone on with; what the engine knows besides these fields goes to it",
        body=CompletionFields,
        nulls=True,
        answer=ref("Completion"),
        events=True,
        refusals=_ENGINE_REFUSALS,
    ),
    "POST /v1/embeddings": Operation(
        summary="Texts as vectors", body=EmbeddingFields, answer=ref("Embeddings"), refusals=_ENGINE_REFUSALS
    ),
    "POST /v1/responses": Operation(
        summary="An answer as items, with searches and citations, kept for what comes after it",
        body=ResponseFields,
        nulls=True,
        answer=ref("Response"),
        events=True,
        refusals=_ENGINE_REFUSALS,
    ),
    "GET /v1/responses/{response_id}": Operation(
        summary="A response that was kept", parameters=(_INCLUDE,), answer=ref("Response"), refusals=(400,)
    ),
    "DELETE /v1/responses/{response_id}": Operation(summary="Delete a response", answer=deleted("response")),
    "GET /v1/responses/{response_id}/input_items": Operation(
        summary="What a response was made from",
        query=PageFields,
        parameters=(_INCLUDE,),
        answer=page_of(ANY_OBJECT),
        refusals=(400,),
    ),
    "POST /v1/responses/{response_id}/cancel": Operation(
        summary="Always refused: nothing runs in the background", refusals=(400,)
    ),
    "POST /v1/moderations": Operation(summary="Always refused: no model can do it", refusals=(404,)),
}
"""By method and path."""
