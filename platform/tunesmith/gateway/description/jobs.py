"""What is said of work that outlives a request: fine-tuning jobs and batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from tunesmith.gateway.batches import BatchFields, BatchListFields
from tunesmith.gateway.description.operation import (
    ANY_OBJECT,
    COUNT,
    FLAG,
    METADATA,
    MOMENT,
    TEXT,
    Operation,
    Schema,
    const,
    list_of,
    nullable,
    one_of,
    page_of,
    query_parameter,
    record,
    ref,
)
from tunesmith.gateway.fine_tuning.request import FineTuningFields
from tunesmith.gateway.paging import PageFields
from tunesmith.records import BatchState

_JOBS = "/v1/fine_tuning/jobs"
_METHODS = ("supervised", "dpo", "reinforcement")
_JOB = record(
    {
        "object": const("fine_tuning.job"),
        "id": TEXT,
        "created_at": MOMENT,
        "finished_at": nullable(MOMENT),
        "model": TEXT,
        "fine_tuned_model": nullable(TEXT),
        "organization_id": TEXT,
        "status": one_of(
            "validating_files", "queued", "running", "succeeded", "failed", "cancelled", "paused"
        ),
        "training_file": TEXT,
        "validation_file": nullable(TEXT),
        "hyperparameters": ANY_OBJECT,
        "method": record({"type": one_of(*_METHODS)}, dict.fromkeys(_METHODS, ANY_OBJECT)),
        "trained_tokens": nullable(COUNT),
        "result_files": list_of(TEXT),
        "seed": {"type": "integer"},
        "estimated_finish": nullable(MOMENT),
        "integrations": list_of(ANY_OBJECT),
        "metadata": METADATA,
        "error": nullable(record({"code": TEXT, "message": nullable(TEXT), "param": nullable(TEXT)})),
    },
    closed=False,
)
_EVENT = record(
    {
        "object": const("fine_tuning.job.event"),
        "id": TEXT,
        "created_at": MOMENT,
        "level": one_of("info", "warn", "error"),
        "message": TEXT,
        "type": one_of("message", "metrics"),
        "data": ANY_OBJECT,
    }
)
_CHECKPOINT = record(
    {
        "object": const("fine_tuning.job.checkpoint"),
        "id": TEXT,
        "created_at": MOMENT,
        "fine_tuned_model_checkpoint": TEXT,
        "fine_tuning_job_id": TEXT,
        "step_number": COUNT,
        "metrics": ANY_OBJECT,
    }
)
_FAULT = record({"code": TEXT, "message": TEXT, "param": nullable(TEXT), "line": nullable(COUNT)})
_BATCH = record(
    {
        "id": TEXT,
        "object": const("batch"),
        "endpoint": TEXT,
        "input_file_id": TEXT,
        "completion_window": const("24h"),
        "status": one_of(*get_args(BatchState)),
        "created_at": MOMENT,
        "expires_at": MOMENT,
        "request_counts": record({"total": COUNT, "completed": COUNT, "failed": COUNT}),
        "usage": record(
            {
                "input_tokens": COUNT,
                "input_tokens_details": record({"cached_tokens": COUNT}),
                "output_tokens": COUNT,
                "output_tokens_details": record({"reasoning_tokens": COUNT}),
                "total_tokens": COUNT,
            }
        ),
        "metadata": nullable(METADATA),
    },
    {
        "model": TEXT,
        "errors": record({"object": const("list"), "data": list_of(_FAULT)}),
        "output_file_id": TEXT,
        "error_file_id": TEXT,
        **{f"{state}_at": MOMENT for state in get_args(BatchState) if state != "validating"},
    },
)


def _list(schema: Schema) -> Schema:
    return record({"object": const("list"), "data": list_of(schema), "has_more": FLAG})


_BY_METADATA = query_parameter(
    "metadata",
    METADATA,
    "Only jobs with these pairs: `metadata[k]=v`.",
    style="deepObject",
    explode=True,
)

_SHOWN = ref("FineTuningJob")

JOB_SCHEMAS: Mapping[str, Schema] = {
    "FineTuningJob": _JOB,
    "FineTuningEvent": _EVENT,
    "FineTuningCheckpoint": _CHECKPOINT,
    "Batch": _BATCH,
}
"""By name."""
JOB_OPERATIONS: Mapping[str, Operation] = {
    f"POST {_JOBS}": Operation(
        summary="Ask for a tuned model", body=FineTuningFields, answer=ref("FineTuningJob"), refusals=(404,)
    ),
    f"GET {_JOBS}": Operation(
        summary="Jobs, newest first",
        query=PageFields,
        parameters=(_BY_METADATA,),
        answer=_list(ref("FineTuningJob")),
        refusals=(400, 404),
    ),
    f"GET {_JOBS}/{{job_id}}": Operation(summary="A job", answer=ref("FineTuningJob")),
    f"POST {_JOBS}/{{job_id}}/cancel": Operation(
        summary="Cancel a job", answer=ref("FineTuningJob"), refusals=(409,)
    ),
    f"POST {_JOBS}/{{job_id}}/pause": Operation(
        summary="Pause a job", answer=ref("FineTuningJob"), refusals=(409,)
    ),
    f"POST {_JOBS}/{{job_id}}/resume": Operation(
        summary="Have a job go on", answer=ref("FineTuningJob"), refusals=(409,)
    ),
    f"GET {_JOBS}/{{job_id}}/events": Operation(
        summary="What its owner was told, newest first",
        query=PageFields,
        answer=_list(ref("FineTuningEvent")),
        refusals=(400,),
    ),
    f"GET {_JOBS}/{{job_id}}/checkpoints": Operation(
        summary="Checkpoints that answer, newest first",
        query=PageFields,
        answer=page_of(ref("FineTuningCheckpoint")),
        refusals=(400,),
    ),
    "POST /v1/batches": Operation(
        summary="Have a file of requests answered", body=BatchFields, answer=ref("Batch")
    ),
    "GET /v1/batches": Operation(
        summary="Batches, newest first", query=BatchListFields, answer=page_of(ref("Batch")), refusals=(400,)
    ),
    "GET /v1/batches/{batch_id}": Operation(summary="A batch", answer=ref("Batch")),
    "POST /v1/batches/{batch_id}/cancel": Operation(
        summary="Cancel a batch", answer=ref("Batch"), refusals=(409,)
    ),
}
"""By method and path."""
