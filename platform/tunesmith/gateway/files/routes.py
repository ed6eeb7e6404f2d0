"""/v1/files: bytes with a name and a purpose, streamed in and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from tunesmith.errors import ConfigError
from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields
from tunesmith.gateway.files.filenames import Filename, attachment
from tunesmith.gateway.files.multipart import Form, opened, receive_form
from tunesmith.gateway.paging import PageFields, page_object, read_page
from tunesmith.stores.database import Database
from tunesmith.stores.files import MOST_FILES_LISTED, FileRecord, FileStore, UploadPurpose
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.object_streams import ObjectReader
from tunesmith.stores.objects import ObjectStore

MAX_FILE_BYTES = 8 * 2**30
"""Longest file, here and in parts."""


class ExpiryFields(BaseModel):
    """When a file goes by itself."""

    model_config = ConfigDict(extra="forbid")
    anchor: Literal["created_at"]
    """What the time counts from."""
    seconds: int = Field(ge=3600, le=2_592_000)
    """An hour to 30 days."""


class PurposeFields(BaseModel):
    """What can be checked before the file comes."""

    model_config = ConfigDict(extra="ignore")
    purpose: UploadPurpose
    """What the file is for."""


class FileFields(BaseModel):
    """A file as it shall be, but for its bytes."""

    model_config = ConfigDict(extra="forbid")
    filename: Filename
    """What it is called."""
    purpose: UploadPurpose
    """What it is for."""
    expires_after: ExpiryFields | None = None
    """When it goes by itself; unset keeps it, but for batches, which go after 30 days."""

    @property
    def expires_after_seconds(self) -> int | None:
        """How long it lives."""
        return self.expires_after.seconds if self.expires_after else None


class FileListFields(PageFields):
    """The query of the list of files."""

    after: str | None = Field(None, json_schema_extra={"pattern": "^file-[0-9a-f]{24}$"})
    """Id of the last file on the page before."""
    limit: int = Field(MOST_FILES_LISTED, ge=1, le=MOST_FILES_LISTED)
    """Most files on a page."""
    purpose: str | None = None
    """Only files for this purpose."""


class DownloadResponse(StreamingResponse):
    """Answers with the bytes of an open file, and closes it however the response ends.

    Args:
        content: the open file.
        filename: its name.
    """

    def __init__(self, content: ObjectReader, *, filename: str) -> None:
        self._content = content
        headers = {
            "Content-Length": str(content.size),
            "Content-Disposition": attachment(filename),
            "X-Content-Type-Options": "nosniff",
        }
        super().__init__(content, 200, headers, "application/octet-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the bytes.

        Args:
            scope: ASGI scope.
            receive: ASGI receive.
            send: ASGI send.
        """
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._content.close()


def file_routes(
    *,
    authenticate: Authenticator,
    database: Database,
    objects: ObjectStore,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> APIRouter:
    """The files resource.

    Args:
        authenticate: who calls.
        database: knows the files.
        objects: holds their bytes.
        max_file_bytes: longest file.

    Returns:
        Its routes.
    """
    router, audit = APIRouter(), Auditor(database)

    def store(key: ApiKey) -> FileStore:
        return FileStore(database, objects, key.project_id)

    @router.post("/v1/files")
    async def create_file(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        async with opened(store(key).draft) as draft:
            form = await receive_form(
                request,
                draft,
                file_field="file",
                max_file_bytes=max_file_bytes,
                text_fields=("purpose", "expires_after[anchor]", "expires_after[seconds]"),
                before_file=_check_purpose,
            )
            fields = check_fields(_nested(form), FileFields, strict=False)
            return file_object(
                await run_in_threadpool(
                    draft.finish,
                    filename=fields.filename,
                    purpose=fields.purpose,
                    expires_after_seconds=fields.expires_after_seconds,
                )
            )

    @router.get("/v1/files")
    async def list_files(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        query = read_page(request, FileListFields)
        page = await run_in_threadpool(store(key).list, **query.model_dump())
        return page_object([file_object(file) for file in page.files], has_more=page.has_more)

    @router.get("/v1/files/{file_id}")
    async def retrieve_file(
        file_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        return file_object(await run_in_threadpool(store(key).get, file_id))

    @router.delete("/v1/files/{file_id}")
    async def delete_file(
        request: Request,
        file_id: str,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        await run_in_threadpool(store(key).delete, file_id)
        await audit(request, key, "file.deleted", file_id)
        return {"id": file_id, "object": "file", "deleted": True}

    @router.get("/v1/files/{file_id}/content")
    async def download_file(
        file_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> DownloadResponse:
        file = await run_in_threadpool(store(key).get, file_id)
        return DownloadResponse(await run_in_threadpool(store(key).content, file_id), filename=file.filename)

    return router


def file_object(file: FileRecord) -> dict[str, Any]:
    """A file as the OpenAI API shows it.

    Args:
        file: the file.

    Returns:
        The JSON object.
    """
    shown = {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
        # A job says what is wrong with its data; a file is what was sent.
        "status": "processed",
    }
    return shown | ({} if file.expires_at is None else {"expires_at": file.expires_at})


def _check_purpose(fields: Mapping[str, str]) -> None:
    if "purpose" in fields:
        check_fields(dict(fields), PurposeFields, strict=False)


def _nested(form: Form) -> dict[str, Any]:
    if form.filename is None:
        raise ConfigError(
            "Invalid value for 'file': it has no filename, so it is a text field and no file. Send one, such as "
            "`-F file=@examples.jsonl` with curl.",
            param="file",
            code="invalid_value",
        )
    nested: dict[str, Any] = {"filename": form.filename}
    for name, value in form.fields.items():
        outer, _, inner = name.removesuffix("]").partition("[")
        if inner:
            nested.setdefault(outer, {})[inner] = value
        else:
            nested[outer] = value
    return nested
