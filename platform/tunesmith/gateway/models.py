"""/v1/models: the bases, their registered versions, the aliases; a version's name can be taken away."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from tunesmith.errors import ModelNotFoundError, PermissionDeniedError
from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.names import NamedModel, Names
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.registry import Registry


def model_routes(*, authenticate: Authenticator, names: Names, database: Database) -> APIRouter:
    """The models resource.

    Args:
        authenticate: who calls.
        names: what answers.
        database: knows the versions.

    Returns:
        Its routes.
    """
    router, audit = APIRouter(), Auditor(database)

    @router.get("/v1/models")
    async def list_models(key: ApiKey = Depends(authenticate.needs("read"))) -> dict[str, Any]:  # noqa: B008
        models = await run_in_threadpool(names.all, key.project_id)
        return {"object": "list", "data": [model_object(model) for model in models]}

    # Version names hold colons, folders and Hugging Face names hold slashes.
    @router.get("/v1/models/{model:path}")
    async def retrieve_model(model: str, key: ApiKey = Depends(authenticate.needs("read"))) -> dict[str, Any]:  # noqa: B008
        return model_object(await run_in_threadpool(names.resolve, key.project_id, model))

    @router.delete("/v1/models/{model:path}")
    async def delete_model(
        request: Request,
        model: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        await run_in_threadpool(
            delete_version, model, Registry(database, key.project_id), is_base=names.is_base(model)
        )
        await audit(request, key, "model.deleted", model)
        return {"id": model, "object": "model", "deleted": True}

    return router


def delete_version(name: str, registry: Registry, *, is_base: bool) -> None:
    """Take a version's name away: it answers 404 from now on.

    Its row stays, so that jobs, evaluations and versions made from it keep their lineage; its files stay in the
    object store until a sweep removes what no name leads to.

    Args:
        name: a version of the project.
        registry: the project's versions and aliases.
        is_base: whether the name is a served base's.

    Raises:
        PermissionDeniedError: it is the base or an alias.
        ModelNotFoundError: the project has no such version.
        ConflictError: aliases point at it.
    """
    alias = registry.alias(name)
    if is_base or alias:
        what = f"an alias of {alias.model}" if alias else "a base that this platform serves"
        raise PermissionDeniedError(
            f"The model '{name}' is {what}. Only fine-tuned versions can be deleted.", param="model"
        )
    try:
        registry.delete(name)
    except ModelNotFoundError as error:
        raise ModelNotFoundError(
            f"The model '{name}' does not exist. GET /v1/models lists those that do.", param="model"
        ) from error


def model_object(model: NamedModel) -> dict[str, Any]:
    """A model as the OpenAI API shows it; an alias also says what it points at.

    Args:
        model: a name that answers.

    Returns:
        The JSON object.
    """
    shown = {"id": model.name, "object": "model", "created": model.created_at, "owned_by": model.owner}
    return shown | ({"alias_of": model.model} if model.kind == "alias" else {})
