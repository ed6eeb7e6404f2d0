"""/v1/uploads: a large file in parts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from starlette.concurrency import run_in_threadpool

from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.gateway.files.multipart import opened, receive_form
from tunesmith.gateway.files.routes import MAX_FILE_BYTES, FileFields, file_object
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.uploads import UploadRecord, UploadStore

MAX_PART_BYTES = 64 * 2**20
"""Longest part."""
_MOST_PARTS = 100_000


class UploadFields(FileFields):
    """A file to come."""

    bytes: StrictInt = Field(ge=0, le=MAX_FILE_BYTES)
    """Its length."""
    mime_type: str = Field(min_length=1, max_length=255)
    """Its kind."""


class CompleteFields(BaseModel):
    """Which parts, in which order."""

    model_config = ConfigDict(extra="forbid")
    part_ids: list[str] = Field(max_length=_MOST_PARTS)
    """Ids of the parts, in order."""
    md5: str | None = Field(None, pattern=r"^[0-9a-fA-F]{32}$")
    """What the whole must amount to, in hex."""


def upload_routes(
    *,
    authenticate: Authenticator,
    database: Database,
    objects: ObjectStore,
    max_part_bytes: int = MAX_PART_BYTES,
) -> APIRouter:
    """The uploads resource.

    Args:
        authenticate: who calls.
        database: knows the uploads.
        objects: holds their bytes.
        max_part_bytes: longest part.

    Returns:
        Its routes.
    """
    router = APIRouter()

    def store(key: ApiKey) -> UploadStore:
        return UploadStore(database, objects, key.project_id)

    @router.post("/v1/uploads")
    async def create_upload(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), UploadFields)
        return upload_object(
            await run_in_threadpool(
                store(key).create,
                filename=fields.filename,
                purpose=fields.purpose,
                bytes=fields.bytes,
                mime_type=fields.mime_type,
                file_expires_after_seconds=fields.expires_after_seconds,
            )
        )

    @router.post("/v1/uploads/{upload_id}/parts")
    async def add_part(
        upload_id: str,
        request: Request,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        async with opened(lambda: store(key).part(upload_id)) as draft:
            await receive_form(request, draft, file_field="data", max_file_bytes=max_part_bytes)
            part = await run_in_threadpool(draft.finish)
        return {
            "id": part.id,
            "object": "upload.part",
            "created_at": part.created_at,
            "upload_id": part.upload_id,
        }

    @router.post("/v1/uploads/{upload_id}/complete")
    async def complete_upload(
        upload_id: str,
        request: Request,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), CompleteFields)
        return upload_object(
            await run_in_threadpool(store(key).complete, upload_id, fields.part_ids, md5=fields.md5)
        )

    @router.post("/v1/uploads/{upload_id}/cancel")
    async def cancel_upload(
        upload_id: str,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        return upload_object(await run_in_threadpool(store(key).cancel, upload_id))

    return router


def upload_object(upload: UploadRecord) -> dict[str, Any]:
    """An upload as the OpenAI API shows it.

    Args:
        upload: the upload.

    Returns:
        The JSON object; `file` stands in it once there is one.
    """
    shown = {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.bytes,
        "created_at": upload.created_at,
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": upload.status,
        "expires_at": upload.expires_at,
    }
    return shown | ({} if upload.file is None else {"file": file_object(upload.file)})
