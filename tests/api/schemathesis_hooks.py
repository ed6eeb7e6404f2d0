"""One check more than schemathesis has: what keeps to its schema gets a 400 only for a reason written down here.

A schema cannot say that a thing must exist or be in some state, nor that one number must fit another. Every other 400
to a request that the document allows is a fault of the document.
"""

from __future__ import annotations

import re

import schemathesis

_A_PLACE = {r"after|before": "names something of this very list, which changes"}
_CHUNKS = {r"(files\.\d+\.)?chunking_strategy\.static\.static": "an overlap is at most half of the length"}
_ITS_STATE = {r"id": "the upload may have been completed or cancelled, or have expired"}

REASONS: dict[str, dict[str, str]] = {
    "POST /v1/embeddings": {r"dimensions": "at most as many as the served embedder makes"},
    "POST /v1/batches": {r"input_file_id": "a file that exists, of the purpose `batch`"},
    "POST /v1/fine_tuning/jobs": {
        r"(training|validation)_file": "a file that exists, of the purpose `fine-tune`",
        r"tunesmith\.recipe": "a shipped recipe, and of the method that is asked for",
        r"tunesmith\.set(\..+)?": "values that agree with each other, the recipe and what the engine serves",
    },
    "POST /v1/uploads/{upload_id}/parts": _ITS_STATE,
    "POST /v1/uploads/{upload_id}/complete": _ITS_STATE | {r"part_ids|md5": "amount to what was announced"},
    "POST /v1/uploads/{upload_id}/cancel": _ITS_STATE,
    "POST /v1/responses": {
        r"previous_response_id": "a response that was kept; the OpenAI API says 400 of it too"
    },
    "POST /v1/responses/{response_id}/cancel": {
        r"response_id": "nothing runs in the background: always refused"
    },
    "GET /v1/responses/{response_id}/input_items": _A_PLACE,
    "GET /v1/fine_tuning/jobs/{job_id}/events": _A_PLACE,
    "GET /v1/fine_tuning/jobs/{job_id}/checkpoints": _A_PLACE,
    "GET /v1/vector_stores": _A_PLACE,
    "GET /v1/vector_stores/{store_id}/files": _A_PLACE,
    "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}/files": _A_PLACE,
    "POST /v1/vector_stores": _CHUNKS,
    "POST /v1/vector_stores/{store_id}/files": _CHUNKS,
    "POST /v1/vector_stores/{store_id}/file_batches": _CHUNKS,
}
"""By operation: fields that a 400 may name, as a pattern, and what the schema cannot say of them."""


@schemathesis.check
def a_refusal_has_its_reason(
    ctx: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: schemathesis.Case,
) -> None:
    """Fail where a request that keeps to its schema gets a 400 which is not foretold."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    error = response.json()["error"]
    foretold = REASONS.get(case.operation.label, {})
    if not any(re.fullmatch(pattern, error["param"] or "") for pattern in foretold):
        raise AssertionError(f"the document allows this request, and it is refused: {error}")
