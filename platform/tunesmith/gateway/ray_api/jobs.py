"""Ray's job API behind the platform's keys, so that `ray job submit --address` works and its dashboard stays closed.

    GET  /api/version                    PUT, GET /api/packages/gcs/{name}
    POST /api/jobs/                      GET /api/jobs/, /api/jobs/{id}, /api/jobs/{id}/logs, /api/jobs/{id}/logs/tail
    POST /api/jobs/{id}/stop             DELETE /api/jobs/{id}

Nothing else of the dashboard is passed on. A submission is foreign code that runs as the platform's own user: it takes
the key of an administrator of the organisation. Its id begins with its project's, and a project sees no other ids.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.background import BackgroundTask

from tunesmith.errors import PlatformError
from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.gateway.errors import platform_error_body
from tunesmith.gateway.ray_api.dashboard import RayDashboard
from tunesmith.gateway.ray_api.names import SubmissionFields, bounded, checked_package, is_own, own_id
from tunesmith.stores.keys import ApiKey

Administers = Callable[[Any], Awaitable[ApiKey]]


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
        return _passed(await dashboard.ask("PUT", _package(name), content=bounded(request)))

    @router.post("/jobs/")
    async def submit_job(request: Request, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        fields = check_fields(await read_object(request), SubmissionFields)
        body = {
            **(fields.model_extra or {}),
            "entrypoint": fields.entrypoint,
            "submission_id": fields.new_id(key),
            "metadata": fields.noted(key),
        }
        return await noted(request, key, "ray.job.submitted", body["submission_id"], "/api/jobs/", json=body)

    @router.get("/jobs/")
    async def list_jobs(key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        answer = await dashboard.ask("GET", "/api/jobs/")
        if answer.status != 200:
            return _passed(answer)
        return JSONResponse([job for job in answer.json() if is_own(key, job.get("submission_id"))])

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
    return f"/api/packages/gcs/{checked_package(name)}"


def _job(key: ApiKey, job_id: str) -> str:
    return f"/api/jobs/{own_id(key, job_id)}"
