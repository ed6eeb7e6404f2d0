"""/v1/aliases: stable names that point at a model and may bind stores and instructions; moved and rolled back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tunesmith.errors import ConfigError
from tunesmith.gateway.auditing import Auditor
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.gateway.names import Names
from tunesmith.gateway.retrieval import find_stores
from tunesmith.records import Alias
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.registry import ALIAS_PATTERN, Registry, no_alias


class AliasFields(BaseModel):
    """An alias as it shall be."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=ALIAS_PATTERN)
    """The stable name."""
    model: str
    """What it points at: the base or a version."""
    vector_stores: list[str] = []
    """Stores that every answer under this name is drawn from."""
    instructions: str | None = None
    """System turn where the request has none."""


def alias_routes(*, authenticate: Authenticator, names: Names, database: Database) -> APIRouter:
    """The aliases resource.

    Args:
        authenticate: who calls.
        names: what an alias may point at.
        database: keeps the aliases and knows the stores.

    Returns:
        Its routes.
    """
    router, audit = APIRouter(), Auditor(database)

    @router.get("/v1/aliases")
    async def list_aliases(key: ApiKey = Depends(authenticate.needs("read"))) -> dict[str, Any]:  # noqa: B008
        aliases = await run_in_threadpool(Registry(database, key.project_id).aliases)
        return {"object": "list", "data": [alias_object(alias) for alias in aliases], "has_more": False}

    @router.post("/v1/aliases")
    async def set_alias(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), AliasFields)
        alias = await run_in_threadpool(bind_alias, fields, key.project_id, names=names, database=database)
        await audit(request, key, "alias.updated", alias.name)
        return alias_object(alias)

    @router.get("/v1/aliases/{name}")
    async def retrieve_alias(name: str, key: ApiKey = Depends(authenticate.needs("read"))) -> dict[str, Any]:  # noqa: B008
        alias = await run_in_threadpool(Registry(database, key.project_id).alias, name)
        if alias is None:
            raise no_alias(name)
        return alias_object(alias)

    @router.delete("/v1/aliases/{name}")
    async def delete_alias(
        request: Request,
        name: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        await run_in_threadpool(Registry(database, key.project_id).delete_alias, name)
        await audit(request, key, "alias.deleted", name)
        return {"object": "alias", "name": name, "deleted": True}

    @router.post("/v1/aliases/{name}/rollback")
    async def roll_back_alias(
        request: Request,
        name: str,
        key: ApiKey = Depends(authenticate.needs("train")),  # noqa: B008
    ) -> dict[str, Any]:
        alias = await run_in_threadpool(Registry(database, key.project_id).roll_back, name)
        await audit(request, key, "alias.rolled_back", name)
        return alias_object(alias)

    return router


def bind_alias(fields: AliasFields, project_id: str, *, names: Names, database: Database) -> Alias:
    """Make or move an alias, if everything that it names exists.

    Args:
        fields: the alias as asked for.
        project_id: whose alias.
        names: what it may point at.
        database: keeps the aliases and knows the stores.

    Returns:
        The alias.

    Raises:
        ModelNotFoundError: it points at nothing.
        NotFoundError: a store does not exist.
        ConfigError: its name is a model's, or it points at an alias.
    """
    target = names.resolve(project_id, fields.model)
    if target.kind == "alias":
        raise ConfigError(f"'{fields.model}' is an alias itself. Point at {target.model}.", param="model")
    if fields.name in {model.name for model in names.all(project_id) if model.kind != "alias"}:
        raise ConfigError(f"'{fields.name}' is the name of a model. Choose another name.", param="name")
    find_stores(database, project_id, fields.vector_stores)
    alias = Alias(fields.name, project_id, target.model, tuple(fields.vector_stores), fields.instructions)
    Registry(database, project_id).set_alias(alias)
    return alias


def alias_object(alias: Alias) -> dict[str, Any]:
    """An alias as the API shows it.

    Args:
        alias: the alias.

    Returns:
        The JSON object.
    """
    return {
        "object": "alias",
        "name": alias.name,
        "model": alias.model,
        "vector_stores": list(alias.stores),
        "instructions": alias.instructions,
    }
