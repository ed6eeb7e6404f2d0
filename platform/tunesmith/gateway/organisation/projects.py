"""/v1/organization/projects: projects and their limits."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tunesmith.errors import NotFoundError
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.gateway.organisation.shared import AdminPageFields, actor_of, page_of
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.limits import Limits, LimitStore, of_project
from tunesmith.stores.projects import Project, Projects

_PROJECTS = "/v1/organization/projects"
NO_LIMIT = 2**31 - 1
"""Said of what has no limit: the API has a number there."""
LIMIT_ID = "rl-project"
"""A project has one limit, over all of its models."""


class ProjectFields(BaseModel):
    """A project as it shall be."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200)
    """For people."""


class ProjectListFields(AdminPageFields):
    """The query of the list of projects."""

    include_archived: bool = False
    """Also those that are archived."""


class LimitFields(BaseModel):
    """What of a limit shall change."""

    model_config = ConfigDict(extra="forbid")
    max_requests_per_1_minute: int | None = Field(None, ge=1)
    """Requests to models."""
    max_tokens_per_1_minute: int | None = Field(None, ge=1)
    """Tokens read and written."""
    gpu_hours_per_month: float | None = Field(None, ge=0)
    """Extension: hours of training workers; null takes the quota away."""


def project_routes(*, authenticate: Authenticator, database: Database, limits: LimitStore) -> APIRouter:
    """The projects resource.

    Args:
        authenticate: who calls.
        database: keeps the projects.
        limits: keeps their limits.

    Returns:
        Its routes.
    """
    router = APIRouter()

    def projects(key: ApiKey) -> Projects:
        return Projects(database, key.organisation_id)

    @router.get(_PROJECTS)
    async def list_projects(
        request: Request,
        key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(dict(request.query_params), ProjectListFields, strict=False)
        known = await run_in_threadpool(projects(key).all, include_archived=fields.include_archived)
        return page_of(known, fields, id_of=lambda project: project.id, show=project_object)

    @router.post(_PROJECTS)
    async def create_project(
        request: Request,
        key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), ProjectFields)
        made = await run_in_threadpool(projects(key).create, fields.name, actor=actor_of(request, key))
        return project_object(made)

    @router.get(_PROJECTS + "/{project_id}")
    async def retrieve_project(
        project_id: str,
        key: ApiKey = Depends(authenticate.needs_in_project("read")),  # noqa: B008
    ) -> dict[str, Any]:
        return project_object(await run_in_threadpool(projects(key).get, project_id))

    @router.post(_PROJECTS + "/{project_id}")
    async def rename_project(
        request: Request,
        project_id: str,
        key: ApiKey = Depends(authenticate.needs_in_project("administer")),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), ProjectFields)
        renamed = await run_in_threadpool(
            projects(key).rename, project_id, fields.name, actor=actor_of(request, key)
        )
        return project_object(renamed)

    @router.post(_PROJECTS + "/{project_id}/archive")
    async def archive_project(
        request: Request,
        project_id: str,
        key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        return project_object(
            await run_in_threadpool(projects(key).archive, project_id, actor=actor_of(request, key))
        )

    @router.get(_PROJECTS + "/{project_id}/rate_limits")
    async def list_limits(
        project_id: str,
        _key: ApiKey = Depends(authenticate.needs_in_project("read")),  # noqa: B008
    ) -> dict[str, Any]:
        shown = limit_object(await run_in_threadpool(limits.project, project_id))
        return {
            "object": "list",
            "data": [shown],
            "first_id": LIMIT_ID,
            "last_id": LIMIT_ID,
            "has_more": False,
        }

    # Whoever could raise the limits of their own project would have none.
    @router.post(_PROJECTS + "/{project_id}/rate_limits/{rate_limit_id}")
    async def change_limit(
        request: Request,
        project_id: str,
        rate_limit_id: str,
        key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), LimitFields)
        await run_in_threadpool(projects(key).get, project_id)
        if rate_limit_id != LIMIT_ID:
            raise NotFoundError(
                f"The limit '{rate_limit_id}' does not exist. A project has one, over all models: '{LIMIT_ID}'."
            )
        changed = _changed(await run_in_threadpool(limits.project, project_id), fields)
        await run_in_threadpool(
            limits.set, of_project(project_id), project_id, changed, actor=actor_of(request, key)
        )
        return limit_object(changed)

    return router


def _changed(limits: Limits, fields: LimitFields) -> Limits:
    said = fields.model_fields_set
    requests, tokens = fields.max_requests_per_1_minute, fields.max_tokens_per_1_minute
    return Limits(
        _bounded(requests) if "max_requests_per_1_minute" in said else limits.requests_per_minute,
        _bounded(tokens) if "max_tokens_per_1_minute" in said else limits.tokens_per_minute,
        fields.gpu_hours_per_month if "gpu_hours_per_month" in said else limits.gpu_hours_per_month,
    )


def _bounded(number: int | None) -> int | None:
    return None if number is None or number >= NO_LIMIT else number


def project_object(project: Project) -> dict[str, Any]:
    """A project as the OpenAI API shows it.

    Args:
        project: the project.

    Returns:
        The JSON object.
    """
    return {
        "id": project.id,
        "object": "organization.project",
        "name": project.name,
        "created_at": project.created_at,
        "archived_at": project.archived_at,
        "status": "active" if project.archived_at is None else "archived",
    }


def limit_object(limits: Limits) -> dict[str, Any]:
    """The limits of a project as the OpenAI API shows those of one model.

    Args:
        limits: what may be asked for.

    Returns:
        The JSON object.
    """
    return {
        "object": "project.rate_limit",
        "id": LIMIT_ID,
        "model": "*",
        "max_requests_per_1_minute": limits.requests_per_minute or NO_LIMIT,
        "max_tokens_per_1_minute": limits.tokens_per_minute or NO_LIMIT,
        "gpu_hours_per_month": limits.gpu_hours_per_month,
    }
