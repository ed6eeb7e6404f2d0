"""/v1/fine_tuning/jobs: a job is asked for here; the controller makes it true."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from tunesmith.config.serve import EngineConfig, JobsConfig
from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.gateway.fine_tuning.checkpoints import checkpoint_page
from tunesmith.gateway.fine_tuning.request import (
    FineTuningFields,
    chosen_hyperparameters,
    method_type,
    recipe_for,
    refuse_what_is_not_there,
    require_servable,
)
from tunesmith.gateway.names import Names
from tunesmith.gateway.paging import PageFields, page_object, read_page
from tunesmith.jobs.estimate import estimated_finish
from tunesmith.jobs.quota import require_gpu_hours
from tunesmith.jobs.requests import JobRequests, new_job_id
from tunesmith.records import Job, JobEvent, ModelVersion, WantedState
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.limits import LimitStore
from tunesmith.stores.registry import Registry

_JOBS = "/v1/fine_tuning/jobs"
_METADATA = "metadata["
_SAID: dict[WantedState, str] = {"cancelled": "cancelled", "paused": "paused", "succeeded": "resumed"}
_NUMBER = re.compile(r"[0-9]{1,9}")


EngineOf = Callable[[str], EngineConfig]
"""What the engine of a base is started with."""


class FoundFile(Protocol):
    """An uploaded file, as far as a job cares."""

    @property
    def purpose(self) -> str:
        """What it was uploaded for."""
        ...


class FindFile(Protocol):
    """Looks a file up."""

    def __call__(self, project_id: str, file_id: str) -> FoundFile:
        """Look a file up.

        Args:
            project_id: whose file.
            file_id: its id.

        Returns:
            The file.

        Raises:
            NotFoundError: the project has none of this id.
        """
        ...


def fine_tuning_routes(
    *,
    authenticate: Authenticator,
    names: Names,
    database: Database,
    find_file: FindFile,
    jobs: JobsConfig,
    engine: EngineOf,
    limits: LimitStore,
) -> APIRouter:
    """The fine-tuning resource.

    Args:
        authenticate: who calls.
        names: which models can be trained.
        database: keeps the jobs.
        find_file: looks a training file up.
        jobs: limits of jobs, and what they are made from.
        engine: what the engine of a base can serve.
        limits: how many GPU hours a project has.

    Returns:
        Its routes.
    """
    router, audit = APIRouter(), Auditor(database)

    def submit(fields: FineTuningFields, project_id: str) -> Job:
        refuse_what_is_not_there(fields)
        base, parent = _start(names, Registry(database, project_id), project_id, fields.model)
        _require_file(find_file, project_id, fields.training_file, param="training_file")
        if fields.validation_file:
            _require_file(find_file, project_id, fields.validation_file, param="validation_file")
        job_id = new_job_id()
        config = recipe_for(
            fields,
            job_id=job_id,
            base=base,
            parent=parent,
            default_recipe=jobs.dpo_recipe if method_type(fields) == "dpo" else jobs.recipe,
            default_length=engine(base).max_model_len,
            resources=jobs.resources,
        )
        require_gpu_hours(database, limits, project_id)
        require_servable(config, engine=engine(base), max_workers=jobs.max_workers)
        request = fields.model_dump(mode="json", exclude_unset=True, exclude={"tunesmith"})
        hyperparameters = chosen_hyperparameters(fields).model_dump()
        kind = method_type(fields)
        request["method"] = {"type": kind, kind: {"hyperparameters": hyperparameters}}
        request["hyperparameters"] = hyperparameters
        return JobRequests(database, project_id).submit(
            job_id,
            request=request,
            config=config.model_dump(mode="json"),
            max_active=jobs.max_active_per_project,
        )

    async def shown(job: Job) -> dict[str, Any]:
        if job.state not in ("running", "publishing"):
            return job_object(job)
        return job_object(job, estimated_finish=await run_in_threadpool(estimated_finish, database, job))

    @router.post(_JOBS)
    async def create_job(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), FineTuningFields)
        job = await run_in_threadpool(submit, fields, key.project_id)
        await audit(request, key, "fine_tuning.job.created", job.id)
        return job_object(job)

    @router.get(_JOBS)
    async def list_jobs(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        asked = read_page(request, PageFields)
        wanted = {
            name.removeprefix(_METADATA).removesuffix("]"): value
            for name, value in request.query_params.items()
            if name.startswith(_METADATA)
        }
        list_page = JobRequests(database, key.project_id).list
        page = await run_in_threadpool(list_page, after=asked.after, limit=asked.limit, metadata=wanted)
        return {"object": "list", "data": [await shown(job) for job in page.items], "has_more": page.has_more}

    @router.get(_JOBS + "/{job_id}")
    async def retrieve_job(job_id: str, key: ApiKey = Depends(authenticate.needs("read"))) -> dict[str, Any]:  # noqa: B008
        return await shown(await run_in_threadpool(JobRequests(database, key.project_id).job, job_id))

    async def want(request: Request, job_id: str, wanted: WantedState, key: ApiKey) -> dict[str, Any]:
        job = await run_in_threadpool(JobRequests(database, key.project_id).want, job_id, wanted)
        await audit(request, key, f"fine_tuning.job.{_SAID[wanted]}", job.id)
        return await shown(job)

    @router.post(_JOBS + "/{job_id}/cancel")
    async def cancel_job(
        request: Request,
        job_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        return await want(request, job_id, "cancelled", key)

    @router.post(_JOBS + "/{job_id}/pause")
    async def pause_job(
        request: Request,
        job_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        return await want(request, job_id, "paused", key)

    @router.post(_JOBS + "/{job_id}/resume")
    async def resume_job(
        request: Request,
        job_id: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        return await want(request, job_id, "succeeded", key)

    @router.get(_JOBS + "/{job_id}/events")
    async def list_events(
        request: Request,
        job_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        asked = read_page(request, PageFields)
        number = _event_number(job_id, asked.after) if asked.after else None
        events = JobRequests(database, key.project_id).events
        page = await run_in_threadpool(events, job_id, after=number, limit=asked.limit)
        return {"object": "list", "data": [event_object(e) for e in page.items], "has_more": page.has_more}

    @router.get(_JOBS + "/{job_id}/checkpoints")
    async def list_checkpoints(
        request: Request,
        job_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        asked = read_page(request, PageFields)
        shown, has_more = await run_in_threadpool(
            checkpoint_page, database, key.project_id, job_id, after=asked.after, limit=asked.limit
        )
        return page_object(shown, has_more=has_more)

    return router


def _start(names: Names, registry: Registry, project_id: str, model: str) -> tuple[str, ModelVersion | None]:
    """The base that a model's name stands for, and the version of it that training goes on from, if it names one."""
    named = names.resolve(project_id, model)
    if names.is_base(named.model):
        return named.model, None
    parent = registry.version(named.model)
    if parent.kind != "adapter":
        raise ConfigError(
            f"'{model}' is a whole model. A job goes on from an adapter, or begins with a base: use "
            f"'{names.base}', or `tunesmith train` with the folder that `tunesmith models show {parent.name}` tells.",
            param="model",
            code="model_not_available",
        )
    return parent.base, parent


def _require_file(find_file: FindFile, project_id: str, file_id: str, *, param: str) -> None:
    try:
        file = find_file(project_id, file_id)
    except NotFoundError as error:
        raise ConfigError(
            f"File '{file_id}' does not exist. Upload it with POST /v1/files, purpose 'fine-tune'.",
            param=param,
            code=f"invalid_{param}",
        ) from error
    if file.purpose != "fine-tune":
        raise ConfigError(
            f"File '{file_id}' has the purpose '{file.purpose}'. Upload it again with purpose 'fine-tune'.",
            param=param,
            code=f"invalid_{param}",
        )


def job_object(job: Job, *, estimated_finish: int | None = None) -> dict[str, Any]:
    """A job as the OpenAI API shows it.

    Args:
        job: the job.
        estimated_finish: when it will end, as far as one can tell.

    Returns:
        The JSON object; `publishing`, which the API does not know, is still `running`.
    """
    request = job.request or {}
    hyperparameters = request.get("hyperparameters")
    error = {"code": job.error_code or "training_failed", "message": job.error, "param": job.error_param}
    return {
        "object": "fine_tuning.job",
        "id": job.id,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "model": request.get("model"),
        "fine_tuned_model": job.model if job.state == "succeeded" else None,
        "organization_id": job.project_id,
        "status": "running" if job.state == "publishing" else job.state,
        "training_file": request.get("training_file"),
        "validation_file": request.get("validation_file"),
        "hyperparameters": hyperparameters,
        # Requests that were kept before there was a choice name no method.
        "method": request.get("method")
        or {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
        "trained_tokens": job.trained_tokens,
        "result_files": list(job.result_files),
        "seed": job.config["seed"],
        "estimated_finish": estimated_finish,
        "integrations": [],
        "metadata": request.get("metadata") or {},
        "error": error if job.error else None,
    }


def event_object(event: JobEvent) -> dict[str, Any]:
    """An event as the OpenAI API shows it.

    Args:
        event: the event.

    Returns:
        The JSON object.
    """
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{event.job_id.removeprefix('ftjob-')}-{event.number}",
        "created_at": event.created_at,
        "level": event.level,
        "message": event.message,
        "type": event.type,
        "data": dict(event.data),
    }


def _event_number(job_id: str, event_id: str) -> int:
    prefix = f"ftevent-{job_id.removeprefix('ftjob-')}-"
    number = event_id.removeprefix(prefix)
    if not event_id.startswith(prefix) or not _NUMBER.fullmatch(number):
        raise ConfigError(
            f"'{event_id[:100]}' is not an event of {job_id}. Send the id of the last event of the page before.",
            param="after",
            code="invalid_value",
        )
    return int(number)
