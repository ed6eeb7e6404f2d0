"""Ray's job API behind the platform's keys, so that `ray job submit --address` works and its dashboard stays closed.

    GET  /api/version                    PUT, GET /api/packages/gcs/{name}
    POST /api/jobs/                      GET /api/jobs/, /api/jobs/{id}, /api/jobs/{id}/logs, /api/jobs/{id}/logs/tail
    POST /api/jobs/{id}/stop             DELETE /api/jobs/{id}

Nothing else of the dashboard is passed on. A submission is foreign code that runs as the platform's own user: it takes
the key of an administrator of the organisation. Its id begins with its project's, and a project sees no other ids.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from tunesmith.errors import ConfigError, NotFoundError, PlatformError, TooLargeError
from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.gateway.errors import platform_error_body
from tunesmith.gateway.ray_api.dashboard import RayDashboard
from tunesmith.stores.keys import ApiKey

MAX_PACKAGE_BYTES = 512 * 2**20
"""Largest working directory that is taken; Ray's own limit."""
_PACKAGE = re.compile(r"_ray_pkg_[0-9a-f]{8,64}\.(zip|whl)")
_SUBMISSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Of no project's id a part, so that no project's prefix begins another's.
_SEPARATOR = "."

Administers = Callable[[Any], Awaitable[ApiKey]]


class SubmissionFields(BaseModel):
    """What `ray job submit` sends; what is not named here goes to Ray as it is."""

    model_config = ConfigDict(extra="allow")
    entrypoint: str = Field(min_length=1, max_length=100_000)
    """The command."""
    submission_id: str | None = None
    """Its name; Ray's own shape of one where it is left out."""
    job_id: str | None = None
    """The same, by its older name."""
    metadata: dict[str, str] = {}
    """What is noted with it."""


def ray_job_routes(*, administers: Administers, dashboard: RayDashboard, audit: Auditor) -> APIRouter:
    """The job API of Ray.

    Args:
        administers: gives the caller's key, and refuses one that is no administrator's.
        dashboard: where Ray listens.
        audit: notes what was submitted, stopped and deleted.

    Returns:
        Its routes.
    """
    router = APIRouter(prefix="/api")

    async def noted(
        request: Request,
        key: ApiKey,
        what: str,
        job_id: str,
        path: str,
        *,
        method: str = "POST",
        **content: Any,
    ) -> Response:
        """Pass something on, and note it where Ray has done it."""
        answer = await dashboard.ask(method, path, **content)
        if answer.status < 400:
            await audit(request, key, what, job_id)
        return _passed(answer)

    @router.get("/version")
    async def read_version(_key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        return _passed(await dashboard.ask("GET", "/api/version"))

    @router.get("/packages/gcs/{name}")
    async def find_package(name: str, _key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        return _passed(await dashboard.ask("GET", _package(name)))

    @router.put("/packages/gcs/{name}")
    async def upload_package(request: Request, name: str, _key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        return _passed(await dashboard.ask("PUT", _package(name), content=_bounded(request)))

    @router.post("/jobs/")
    async def submit_job(request: Request, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        fields = check_fields(await read_object(request), SubmissionFields)
        body = {
            **(fields.model_extra or {}),
            "entrypoint": fields.entrypoint,
            "submission_id": _new_id(key, fields.submission_id or fields.job_id),
            "metadata": fields.metadata | {"tunesmith_project": key.project_id, "tunesmith_key": key.id},
        }
        return await noted(request, key, "ray.job.submitted", body["submission_id"], "/api/jobs/", json=body)

    @router.get("/jobs/")
    async def list_jobs(key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        answer = await dashboard.ask("GET", "/api/jobs/")
        if answer.status != 200:
            return _passed(answer)
        return JSONResponse([job for job in answer.json() if _is_own(key, job.get("submission_id"))])

    @router.get("/jobs/{job_id}")
    async def find_job(job_id: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        return _passed(await dashboard.ask("GET", _job(key, job_id)))

    @router.post("/jobs/{job_id}/stop")
    async def stop_job(request: Request, job_id: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        return await noted(request, key, "ray.job.stopped", job_id, f"{_job(key, job_id)}/stop")

    @router.delete("/jobs/{job_id}")
    async def delete_job(request: Request, job_id: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        return await noted(request, key, "ray.job.deleted", job_id, _job(key, job_id), method="DELETE")

    @router.get("/jobs/{job_id}/logs")
    async def read_logs(job_id: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        response = await dashboard.open("GET", f"{_job(key, job_id)}/logs")
        kind = response.headers.get("content-type", "text/plain")
        closing = BackgroundTask(response.aclose)
        return StreamingResponse(
            response.aiter_raw(), response.status_code, media_type=kind, background=closing
        )

    @router.websocket("/jobs/{job_id}/logs/tail")
    async def tail_logs(socket: WebSocket, job_id: str) -> None:
        try:
            path = f"{_job(await administers(socket), job_id)}/logs/tail"
        except PlatformError as error:
            refusal = JSONResponse(platform_error_body(error), error.http_status)
            await socket.send_denial_response(refusal)
            return
        await dashboard.tail(path, socket)

    return router


def _passed(answer: Any) -> Response:
    return Response(answer.body, answer.status, media_type=answer.media_type)


def _package(name: str) -> str:
    if not _PACKAGE.fullmatch(name):
        raise ConfigError(
            f"'{name[:80]}' is no package as `ray job submit` names them. Send _ray_pkg_HASH.zip.",
            param="name",
        )
    return f"/api/packages/gcs/{name}"


async def _bounded(request: Request) -> AsyncIterator[bytes]:
    taken = 0
    async for piece in request.stream():
        taken += len(piece)
        if taken > MAX_PACKAGE_BYTES:
            raise TooLargeError(
                f"The package is larger than {MAX_PACKAGE_BYTES // 2**20} MiB. Leave data out of the working directory "
                "(`excludes` in the runtime environment), and read it from the object store."
            )
        yield piece


def _prefix(key: ApiKey) -> str:
    return f"{key.project_id}{_SEPARATOR}"


def _new_id(key: ApiKey, wanted: str | None) -> str:
    name = (wanted or f"raysubmit_{secrets.token_hex(8)}").removeprefix(_prefix(key))
    if not _SUBMISSION.fullmatch(name):
        raise ConfigError(
            f"submission_id='{name[:80]}' has other characters than letters, digits, _ and -, or more than 64.",
            param="submission_id",
            code="invalid_value",
        )
    return _prefix(key) + name


def _is_own(key: ApiKey, submission_id: str | None) -> bool:
    prefix = _prefix(key)
    return bool(
        submission_id
        and submission_id.startswith(prefix)
        and _SUBMISSION.fullmatch(submission_id.removeprefix(prefix))
    )


def _job(key: ApiKey, job_id: str) -> str:
    if not _is_own(key, job_id):
        raise NotFoundError(f"Job {job_id[:80]} does not exist. `ray job list` shows those of this project.")
    return f"/api/jobs/{job_id}"
