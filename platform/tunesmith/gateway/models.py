"""GET /v1/models: the base, its registered versions, the aliases."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool

from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.names import NamedModel, Names
from tunesmith.stores.keys import ApiKey


def model_routes(*, authenticate: Authenticator, names: Names) -> APIRouter:
    """The models resource.

    Args:
        authenticate: who calls.
        names: what answers.

    Returns:
        Its routes.
    """
    router = APIRouter()

    @router.get("/v1/models")
    async def list_models(key: ApiKey = Depends(authenticate)) -> dict[str, Any]:  # noqa: B008
        models = await run_in_threadpool(names.all, key.project_id)
        return {"object": "list", "data": [model_object(model) for model in models]}

    # Version names hold colons, folders and Hugging Face names hold slashes.
    @router.get("/v1/models/{model:path}")
    async def retrieve_model(model: str, key: ApiKey = Depends(authenticate)) -> dict[str, Any]:  # noqa: B008
        return model_object(await run_in_threadpool(names.resolve, key.project_id, model))

    return router


def model_object(model: NamedModel) -> dict[str, Any]:
    """A model as the OpenAI API shows it; an alias also says what it points at.

    Args:
        model: a name that answers.

    Returns:
        The JSON object.
    """
    shown = {"id": model.name, "object": "model", "created": model.created_at, "owned_by": model.owner}
    return shown | ({"alias_of": model.model} if model.kind == "alias" else {})
