"""Ray's job API in a release, where no Ray cluster stands behind it: a submission becomes a RayJob of its own.

    PUT  /api/packages/gcs/{name}  -->  the object store
    POST /api/jobs/                -->  a row; the controller makes the RayJob, and says what becomes of it
    GET  /api/jobs/{id}/logs       <--  what its driver printed, as the controller last read it

The same routes, ids and keys as on one machine (see `jobs.py`), so that the same command works against both.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Depends, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tunesmith.config.serve import JobsConfig
from tunesmith.config.train import ResourcesConfig
from tunesmith.errors import ConfigError, ConflictError, NotFoundError, PlatformError
from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.gateway.errors import platform_error_body
from tunesmith.gateway.ray_api.jobs import Administers
from tunesmith.gateway.ray_api.names import (
    SubmissionFields,
    absent,
    bounded,
    checked_package,
    is_own,
    own_id,
)
from tunesmith.gateway.ray_api.sockets import while_there
from tunesmith.jobs.submissions import Submission, SubmissionStore, package_key, packages_of
from tunesmith.jobs.submitted import pack
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.objects import ObjectStore

API_VERSION = "4"
"""Of Ray's job API; its client asks for it."""
_WORKERS = ("num_workers", "cpus_per_worker", "gpus_per_worker")
_READ_BY_A_SHELL = ("$", "`")
_LONGEST, _LONGEST_METADATA = 100_000, 10_000
_SECONDS_BETWEEN_LOOKS = 1.0


class RuntimeEnv(BaseModel):
    """Ray's runtime environment, as far as it is looked at here."""

    model_config = ConfigDict(extra="allow")
    working_dir: str | None = None
    """A package, or a URI."""
    py_modules: list[str] | None = None
    """The same, of modules."""
    env_vars: dict[str, str] | None = None
    """Variables of the command and of all workers."""


class ReleaseFields(SubmissionFields):
    """What `ray job submit` sends to a release."""

    runtime_env: RuntimeEnv = Field(default_factory=RuntimeEnv)
    """Ray's runtime environment."""
    entrypoint_num_cpus: float | None = Field(None, ge=0)
    """CPUs that Ray reserves for the command."""
    entrypoint_num_gpus: float | None = Field(None, ge=0)
    """GPUs that Ray reserves for the command."""
    entrypoint_resources: dict[str, float] | None = None
    """Further resources that Ray reserves for it."""

    @property
    def driver(self) -> dict[str, Any]:
        """What was asked for the command itself."""
        asked = {
            "num_cpus": self.entrypoint_num_cpus,
            "num_gpus": self.entrypoint_num_gpus,
            "resources": self.entrypoint_resources,
        }
        return {name: value for name, value in asked.items() if value}

    def refuse_the_rest(self) -> None:
        """Refuse what a RayJob cannot say, rather than to leave it out or have it changed.

        Raises:
            ConfigError: names it.
        """
        rest = sorted(name for name, value in (self.model_extra or {}).items() if value)
        if rest:
            raise ConfigError(
                f"{', '.join(rest)}: a submission to a release cannot say that. Leave it out.", param=rest[0]
            )
        through_a_shell = json.dumps([self.told, self.entrypoint_resources])
        if any(sign in through_a_shell for sign in _READ_BY_A_SHELL):
            raise ConfigError(
                "runtime_env or entrypoint_resources holds a dollar or a backtick, and KubeRay hands them through a "
                "shell, which would read that. Say it in the command instead: export NAME=... && python ...",
                param="runtime_env",
            )
        if len(through_a_shell) + len(pack(self.entrypoint)) > _LONGEST:
            raise ConfigError(
                f"entrypoint and runtime_env have more than {_LONGEST} characters together, of which the command "
                "counts four thirds; Linux takes no longer argument. Put the rest into the working directory.",
                param="entrypoint",
            )
        if sum(map(len, (*self.metadata, *self.metadata.values()))) > _LONGEST_METADATA:
            raise ConfigError(
                f"metadata has more than {_LONGEST_METADATA} characters. Say less.", param="metadata"
            )

    @property
    def told(self) -> dict[str, Any]:
        """The runtime environment as it was sent."""
        return self.runtime_env.model_dump(exclude_unset=True)


def submission_routes(
    *,
    administers: Administers,
    submissions: SubmissionStore,
    objects: ObjectStore,
    jobs: JobsConfig,
    has_quota: Callable[[str], None],
    audit: Auditor,
) -> APIRouter:
    """The job API of Ray.

    Args:
        administers: gives the caller's key, and refuses one that is no administrator's.
        submissions: keeps them.
        objects: holds working directories and logs.
        jobs: how many workers a submission gets that does not say it, and how many it may have.
        has_quota: refuses a project whose GPU hours of this month are used up.
        audit: notes what was submitted, stopped and deleted.

    Returns:
        Its routes.
    """
    router = APIRouter(prefix="/api")

    async def found(key: ApiKey, job_id: str) -> Submission:
        submission = await run_in_threadpool(submissions.find, own_id(key, job_id))
        if submission is None or submission.wanted == "deleted":
            raise absent(job_id)
        return submission

    async def has_package(key: ApiKey, name: str) -> bool:
        return await run_in_threadpool(objects.exists, package_key(key.project_id, checked_package(name)))

    @router.get("/version")
    async def read_version(_key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        told = {
            "version": API_VERSION,
            "ray_version": version("ray"),
            "ray_commit": "",
            "session_name": "tunesmith",
        }
        return JSONResponse(told)

    @router.get("/packages/gcs/{name}")
    async def find_package(name: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        return Response(status_code=200 if await has_package(key, name) else 404)

    @router.put("/packages/gcs/{name}")
    async def upload_package(request: Request, name: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        place = package_key(key.project_id, checked_package(name))
        package = await run_in_threadpool(objects.writer, place)
        try:
            async for piece in bounded(request):
                await run_in_threadpool(package.write, piece)
            await run_in_threadpool(package.commit)
        finally:
            await run_in_threadpool(package.abort)  # unless it was committed
        return Response(status_code=200)

    @router.post("/jobs/")
    async def submit_job(request: Request, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        fields = check_fields(await read_object(request), ReleaseFields)
        fields.refuse_the_rest()
        for name in sorted(packages_of(fields.told)):
            if not await has_package(key, name):
                raise NotFoundError(f"The package {name} is not there. Submit again: the client uploads it.")
        asked = Submission(
            fields.new_id(key),
            key.project_id,
            fields.entrypoint,
            runtime_env=fields.told,
            metadata=fields.noted(key),
            resources=_resources(fields.metadata, jobs),
            driver=fields.driver,
        )
        await run_in_threadpool(has_quota, key.project_id)
        made = await run_in_threadpool(submissions.add, asked, max_active=jobs.max_active_per_project)
        await audit(request, key, "ray.job.submitted", made.id)
        return JSONResponse({"job_id": made.id, "submission_id": made.id})

    @router.get("/jobs/")
    async def list_jobs(key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        known = await run_in_threadpool(submissions.of_project, key.project_id)
        return JSONResponse([_details(submission) for submission in known if is_own(key, submission.id)])

    @router.get("/jobs/{job_id}")
    async def find_job(job_id: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        return JSONResponse(_details(await found(key, job_id)))

    @router.post("/jobs/{job_id}/stop")
    async def stop_job(request: Request, job_id: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        submission = await found(key, job_id)
        stopped = await run_in_threadpool(submissions.want, submission.id, "stopped")
        if stopped:
            await audit(request, key, "ray.job.stopped", job_id)
        return JSONResponse({"stopped": stopped})

    @router.delete("/jobs/{job_id}")
    async def delete_job(request: Request, job_id: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        submission = await found(key, job_id)
        if not await run_in_threadpool(submissions.want, submission.id, "deleted"):
            raise ConflictError(
                f"Job {job_id} is {submission.state}. Stop it first: `ray job stop {job_id}`."
            )
        await audit(request, key, "ray.job.deleted", job_id)
        return JSONResponse({"deleted": True})

    @router.get("/jobs/{job_id}/logs")
    async def read_logs(job_id: str, key: ApiKey = Depends(administers)) -> Response:  # noqa: B008
        text, _ = await run_in_threadpool(_read_log, objects, await found(key, job_id), 0)
        return JSONResponse({"logs": text})

    @router.websocket("/jobs/{job_id}/logs/tail")
    async def tail_logs(socket: WebSocket, job_id: str) -> None:
        try:
            submission = await found(await administers(socket), job_id)
        except PlatformError as error:
            await socket.send_denial_response(JSONResponse(platform_error_body(error), error.http_status))
            return
        await socket.accept()
        await while_there(socket, _follow(socket, submission.id, submissions, objects))

    return router


def _resources(metadata: Mapping[str, str], jobs: JobsConfig) -> dict[str, float]:
    """The workers of a submission's cluster: what its metadata says, else what jobs of the API get."""
    default = {"num_workers": jobs.num_workers, "gpus_per_worker": jobs.gpus_per_worker}
    told: dict[str, Any] = {name: value for name, value in default.items() if value is not None}
    told |= {name: _number(metadata[name]) for name in _WORKERS if name in metadata}
    asked = check_fields(told, ResourcesConfig)
    if asked.num_workers > jobs.max_workers:
        raise ConfigError(
            f"num_workers={asked.num_workers} is more than the {jobs.max_workers} that one job may have "
            "(jobs.max_workers). Ask for fewer.",
            param="metadata.num_workers",
        )
    return asked.model_dump(include=set(_WORKERS))


def _number(text: str) -> Any:
    """Metadata holds texts alone; what is no number is left for the check to name."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _details(submission: Submission) -> dict[str, Any]:
    """A submission as Ray's client reads it (`ray.dashboard.modules.job.pydantic_models.JobDetails`)."""
    return {
        "type": "SUBMISSION",
        "job_id": None,
        "submission_id": submission.id,
        "driver_info": None,
        "status": submission.state,
        "entrypoint": submission.entrypoint,
        "message": submission.message,
        "error_type": None,
        "start_time": submission.created_ms,
        "end_time": submission.ended_ms,
        "metadata": dict(submission.metadata),
        "runtime_env": dict(submission.runtime_env),
        "driver_agent_http_address": None,
        "driver_node_id": None,
        "driver_exit_code": None,
    }


def _read_log(objects: ObjectStore, submission: Submission, start: int) -> tuple[str, int]:
    """What was printed from a byte on, whole characters alone, and where it ends."""
    try:
        if objects.size(submission.log_key) <= start:
            return "", start
        with objects.reader(submission.log_key, start=start) as pieces:
            raw = b"".join(pieces)
    except NotFoundError:
        return "", start
    whole = raw if submission.has_ended else raw[: raw.rfind(b"\n") + 1]
    return whole.decode(errors="replace"), start + len(whole)


async def _follow(
    socket: WebSocket, submission_id: str, submissions: SubmissionStore, objects: ObjectStore
) -> None:
    at = 0
    while True:
        # The state first: what was printed before the end is there once the end is noted.
        submission = await run_in_threadpool(submissions.find, submission_id)
        if submission is None:
            break
        text, at = await run_in_threadpool(_read_log, objects, submission, at)
        if text:
            await socket.send_text(text)
        elif submission.has_ended:
            break
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
    await socket.close()
