"""/v1/organization: service accounts of a project, the keys of a project, and the organisation's own keys."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tunesmith.errors import NotFoundError, PermissionDeniedError
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.gateway.organisation.shared import (
    AdminPageFields,
    AskedRole,
    actor_of,
    page_of,
    shown_role,
    to_role,
)
from tunesmith.records import DEFAULT_PROJECT, ProjectRole
from tunesmith.stores.audit import Actor
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey, KeyStore
from tunesmith.stores.principals import Principal, Principals

_PROJECT = "/v1/organization/projects/{project_id}"
_ACCOUNTS = _PROJECT + "/service_accounts"
_ADMIN_KEYS = "/v1/organization/admin_api_keys"


class AccountFields(BaseModel):
    """A service account as it shall be."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200)
    """For people."""
    role: AskedRole = "member"
    """Extension: what it may do."""
    create_service_account_only: bool | None = False
    """Without a key."""


class AccountKeyFields(BaseModel):
    """A key of a service account, or of a user, as it shall be."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field("", max_length=200)
    """For people."""
    scopes: list[ProjectRole] | None = Field(None, min_length=1, max_length=1)
    """The most that it may do: one of our roles."""
    expires_in_seconds: int | None = Field(None, ge=1, le=31_536_000)
    """Extension: when it ends."""


class AdminKeyFields(BaseModel):
    """A key of the organisation as it shall be."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200)
    """For people."""
    expires_in_seconds: int | None = Field(None, ge=1, le=31_536_000)
    """When it ends; unset: never."""


def organisation_key_routes(*, authenticate: Authenticator, database: Database) -> APIRouter:
    """Service accounts and keys.

    Args:
        authenticate: who calls.
        database: keeps them.

    Returns:
        Their routes.
    """
    router, keys = APIRouter(), KeyStore(database)
    administers = authenticate.needs_in_project("administer")

    def principals(key: ApiKey) -> Principals:
        return Principals(database, key.organisation_id)

    def make_account(fields: AccountFields, key: ApiKey, actor: Actor) -> dict[str, Any]:
        account = principals(key).add_service_account(
            key.project_id, fields.name, role=to_role(fields.role), actor=actor
        )
        only = fields.create_service_account_only
        made = None if only else make_project_key(keys, key.project_id, account, AccountKeyFields(), actor)
        # The API knows no service account that owns its project at its making.
        return account_object(account) | {"role": "member", "api_key": made}

    def make_key(fields: AccountKeyFields, account_id: str, key: ApiKey, actor: Actor) -> dict[str, Any]:
        account = principals(key).member(key.project_id, account_id, "service_account")
        return make_project_key(keys, key.project_id, account, fields, actor)

    @router.get(_ACCOUNTS)
    async def list_accounts(request: Request, key: ApiKey = Depends(administers)) -> dict[str, Any]:  # noqa: B008
        fields = check_fields(dict(request.query_params), AdminPageFields, strict=False)
        known = await run_in_threadpool(principals(key).members, key.project_id, "service_account")
        return page_of(known, fields, id_of=lambda account: account.id, show=account_object)

    @router.post(_ACCOUNTS)
    async def create_account(request: Request, key: ApiKey = Depends(administers)) -> dict[str, Any]:  # noqa: B008
        fields = check_fields(await read_object(request), AccountFields)
        return await run_in_threadpool(make_account, fields, key, actor_of(request, key))

    @router.get(_ACCOUNTS + "/{service_account_id}")
    async def retrieve_account(
        service_account_id: str,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        found = principals(key).member
        return account_object(
            await run_in_threadpool(found, key.project_id, service_account_id, "service_account")
        )

    @router.delete(_ACCOUNTS + "/{service_account_id}")
    async def delete_account(
        request: Request,
        service_account_id: str,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        known, actor = principals(key), actor_of(request, key)
        await run_in_threadpool(known.member, key.project_id, service_account_id, "service_account")
        await run_in_threadpool(known.remove, service_account_id, actor=actor, project_id=key.project_id)
        return {
            "object": "organization.project.service_account.deleted",
            "id": service_account_id,
            "deleted": True,
        }

    @router.post(_ACCOUNTS + "/{service_account_id}/api_keys")
    async def create_account_key(
        request: Request,
        service_account_id: str,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), AccountKeyFields)
        return await run_in_threadpool(make_key, fields, service_account_id, key, actor_of(request, key))

    def shown_key(key: ApiKey) -> dict[str, Any]:
        return key_object(key, Principals(database, key.organisation_id).get(key.principal_id))

    def standing(project_id: str) -> list[ApiKey]:
        return [key for key in keys.all(project_id) if not key.revoked and not key.of_organisation]

    @router.get(_PROJECT + "/api_keys")
    async def list_keys(request: Request, key: ApiKey = Depends(administers)) -> dict[str, Any]:  # noqa: B008
        fields = check_fields(dict(request.query_params), AdminPageFields, strict=False)
        known = await run_in_threadpool(standing, key.project_id)
        return await run_in_threadpool(page_of, known, fields, id_of=lambda key: key.id, show=shown_key)

    @router.get(_PROJECT + "/api_keys/{api_key_id}")
    async def retrieve_key(api_key_id: str, key: ApiKey = Depends(administers)) -> dict[str, Any]:  # noqa: B008
        return await run_in_threadpool(
            lambda: shown_key(_of_project(keys.get(key.project_id, api_key_id), api_key_id))
        )

    @router.delete(_PROJECT + "/api_keys/{api_key_id}")
    async def delete_key(
        request: Request,
        api_key_id: str,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        _of_project(await run_in_threadpool(keys.get, key.project_id, api_key_id), api_key_id)
        await run_in_threadpool(keys.revoke, key.project_id, api_key_id, actor=actor_of(request, key))
        return {"object": "organization.project.api_key.deleted", "id": api_key_id, "deleted": True}

    def admin_keys() -> list[ApiKey]:
        return [key for key in keys.all(DEFAULT_PROJECT) if key.of_organisation and not key.revoked]

    def admin_key(key_id: str) -> ApiKey:
        found = [key for key in admin_keys() if key.id == key_id]
        if not found:
            raise _no_admin_key(key_id)
        return found[0]

    def shown_admin_key(key: ApiKey) -> dict[str, Any]:
        return admin_key_object(key, Principals(database, key.organisation_id).get(key.principal_id))

    @router.get(_ADMIN_KEYS)
    async def list_admin_keys(
        request: Request,
        _key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(dict(request.query_params), AdminPageFields, strict=False)
        known = await run_in_threadpool(admin_keys)
        return await run_in_threadpool(page_of, known, fields, id_of=lambda key: key.id, show=shown_admin_key)

    @router.post(_ADMIN_KEYS)
    async def create_admin_key(
        request: Request,
        key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), AdminKeyFields)
        seconds = fields.expires_in_seconds
        secret = await run_in_threadpool(
            keys.create,
            DEFAULT_PROJECT,
            fields.name,
            role="administer",
            principal_id=key.principal_id,
            expires_at=None if seconds is None else int(time.time()) + seconds,
            of_organisation=True,
            actor=actor_of(request, key),
        )
        made = await run_in_threadpool(keys.verify, secret)
        return await run_in_threadpool(shown_admin_key, made) | {"value": secret}

    @router.get(_ADMIN_KEYS + "/{key_id}")
    async def retrieve_admin_key(
        key_id: str,
        _key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        return await run_in_threadpool(lambda: shown_admin_key(admin_key(key_id)))

    @router.delete(_ADMIN_KEYS + "/{key_id}")
    async def delete_admin_key(
        request: Request,
        key_id: str,
        key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        if key_id == key.id:
            raise PermissionDeniedError("A key cannot end itself. Use another administrator's key.")
        await run_in_threadpool(admin_key, key_id)
        await run_in_threadpool(keys.revoke, DEFAULT_PROJECT, key_id, actor=actor_of(request, key))
        return {"object": "organization.admin_api_key.deleted", "id": key_id, "deleted": True}

    return router


def make_project_key(
    keys: KeyStore, project_id: str, owner: Principal, fields: AccountKeyFields, actor: Actor
) -> dict[str, Any]:
    """Make a key of a service account or a user in a project.

    Args:
        keys: makes it.
        project_id: the project that it opens.
        owner: whose it is, with their role there: the most that it may do.
        fields: the key as it shall be.
        actor: who makes it.

    Returns:
        The JSON object; alone this once it holds the key itself.
    """
    seconds = fields.expires_in_seconds
    secret = keys.create(
        project_id,
        fields.name or owner.name,
        role=fields.scopes[0] if fields.scopes else owner.role or "use",
        principal_id=owner.id,
        expires_at=None if seconds is None else int(time.time()) + seconds,
        actor=actor,
    )
    named = _named(keys.verify(secret))
    return {"object": f"organization.project.{owner.kind}.api_key", "value": secret, **named}


def _of_project(key: ApiKey, key_id: str) -> ApiKey:
    # A project's administrator has no say over the organisation's keys.
    if key.of_organisation:
        raise NotFoundError(f'Key "{key_id}" does not exist in this project.')
    return key


def _no_admin_key(key_id: str) -> NotFoundError:
    return NotFoundError(f'Key "{key_id}" is no key of the organisation.')


def _named(key: ApiKey) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "created_at": key.created_at}


def account_object(account: Principal) -> dict[str, Any]:
    """A service account as the OpenAI API shows it.

    Args:
        account: the service account, with its role.

    Returns:
        The JSON object; `access` is the role in our words.
    """
    return {
        "object": "organization.project.service_account",
        "id": account.id,
        "name": account.name,
        "role": shown_role(account.role),
        "access": account.role,
        "created_at": account.created_at,
    }


def key_object(key: ApiKey, owner: Principal) -> dict[str, Any]:
    """A key of a project as the OpenAI API shows it.

    Args:
        key: the key.
        owner: whose it is.

    Returns:
        The JSON object; `access` is what the key may do at most.
    """
    said = {
        "id": owner.id,
        "name": owner.name,
        "created_at": owner.created_at,
        "role": shown_role(key.role),
    }
    if owner.kind == "user":
        said["email"] = owner.email or ""
    return {
        "object": "organization.project.api_key",
        **_named(key),
        "redacted_value": f"sk-ts-{key.hint}",
        "last_used_at": key.last_used_at,
        "owner_project_access": "active",
        "owner": {"type": owner.kind, owner.kind: said},
        "access": key.role,
        "expires_at": key.expires_at,
    }


def admin_key_object(key: ApiKey, owner: Principal) -> dict[str, Any]:
    """A key of the organisation as the OpenAI API shows it.

    Args:
        key: the key.
        owner: whose it is.

    Returns:
        The JSON object.
    """
    return {
        "object": "organization.admin_api_key",
        **_named(key),
        "redacted_value": f"sk-ts-{key.hint}",
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "owner": {
            "type": "user",
            "object": "organization.user",
            "id": owner.id,
            "name": owner.name,
            "created_at": owner.created_at,
            "role": "owner",
        },
    }
