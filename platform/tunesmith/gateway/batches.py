"""/v1/batches: many requests in a file; the controller has them answered, through this gateway, line by line."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tunesmith.batches.batch import Batch
from tunesmith.batches.lines import MOST_BYTES
from tunesmith.batches.requests import BatchRequests
from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.gateway.files.routes import ExpiryFields
from tunesmith.gateway.paging import PageFields, page_object, read_page
from tunesmith.gateway.responses.request import Metadata
from tunesmith.stores.database import Database
from tunesmith.stores.files import FileStore
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.objects import ObjectStore

_BATCHES = "/v1/batches"


class BatchFields(BaseModel):
    """A batch as it is asked for."""

    model_config = ConfigDict(extra="forbid")
    input_file_id: str = Field(min_length=1)
    """A file of the purpose `batch`: one request a line."""
    endpoint: Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]
    """What every line asks for."""
    completion_window: Literal["24h"]
    """What is not answered by then never is."""
    metadata: Metadata | None = Field(None, max_length=16)
    """Kept with the batch."""
    output_expires_after: ExpiryFields | None = None
    """When the files of its answers go; unset keeps them."""


class BatchListFields(PageFields):
    """The query of the list of batches."""

    after: str | None = Field(None, json_schema_extra={"pattern": "^batch_[0-9a-f]{24}$"})
    """Id of the last batch on the page before."""


def batch_routes(*, authenticate: Authenticator, database: Database, objects: ObjectStore) -> APIRouter:
    """The batches resource.

    Args:
        authenticate: who calls.
        database: keeps the batches.
        objects: holds the bytes of files.

    Returns:
        Its routes.
    """
    router, audit = APIRouter(), Auditor(database)

    def create(fields: BatchFields, project_id: str) -> Batch:
        _require_input(FileStore(database, objects, project_id), fields.input_file_id)
        return BatchRequests(database, project_id).create(
            endpoint=fields.endpoint,
            input_file_id=fields.input_file_id,
            metadata=fields.metadata,
            output_seconds=fields.output_expires_after.seconds if fields.output_expires_after else None,
        )

    @router.post(_BATCHES)
    async def create_batch(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), BatchFields)
        batch = await run_in_threadpool(create, fields, key.project_id)
        await audit(request, key, "batch.created", batch.id)
        return batch_object(batch)

    @router.get(_BATCHES)
    async def list_batches(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        asked = read_page(request, BatchListFields)
        batches = BatchRequests(database, key.project_id)
        page = await run_in_threadpool(batches.list, after=asked.after, limit=asked.limit)
        return page_object([batch_object(batch) for batch in page.batches], has_more=page.has_more)

    @router.get(_BATCHES + "/{batch_id}")
    async def retrieve_batch(
        batch_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        return batch_object(await run_in_threadpool(BatchRequests(database, key.project_id).batch, batch_id))

    @router.post(_BATCHES + "/{batch_id}/cancel")
    async def cancel_batch(
        request: Request,
        batch_id: str,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        batch = await run_in_threadpool(BatchRequests(database, key.project_id).cancel, batch_id)
        await audit(request, key, "batch.cancelled", batch.id)
        return batch_object(batch)

    return router


def _require_input(files: FileStore, file_id: str) -> None:
    try:
        file = files.get(file_id)
    except NotFoundError as error:
        raise ConfigError(
            f"File '{file_id}' does not exist. Upload it with POST /v1/files, purpose 'batch'.",
            param="input_file_id",
            code="invalid_input_file",
        ) from error
    if file.purpose != "batch":
        raise ConfigError(
            f"File '{file_id}' has the purpose '{file.purpose}'. Upload it again with purpose 'batch'.",
            param="input_file_id",
            code="invalid_input_file",
        )
    if file.bytes > MOST_BYTES:
        raise ConfigError(
            f"File '{file_id}' has {file.bytes} bytes, a batch at most {MOST_BYTES}. Split it into several batches.",
            param="input_file_id",
            code="input_file_too_large",
        )


def batch_object(batch: Batch) -> dict[str, Any]:
    """A batch as the OpenAI API shows it; the specification has no nulls for what is not there yet.

    Args:
        batch: the batch.

    Returns:
        The JSON object.
    """
    optional = {
        "model": batch.model,
        "errors": {"object": "list", "data": list(batch.errors)} if batch.errors else None,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        **{f"{state}_at": moment for state, moment in batch.times.items()},
    }
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.state,
        "created_at": batch.created_at,
        "expires_at": batch.expires_at,
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "usage": {
            "input_tokens": batch.usage.get("input_tokens", 0),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": batch.usage.get("output_tokens", 0),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": batch.usage.get("total_tokens", 0),
        },
        "metadata": None if batch.metadata is None else dict(batch.metadata),
        **{name: value for name, value in optional.items() if value is not None},
    }
