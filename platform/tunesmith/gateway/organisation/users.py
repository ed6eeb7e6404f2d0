"""/v1/organization/users and the users of a project: people, and what each may do where."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool

from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, either, read_object
from tunesmith.gateway.organisation.keys import AccountKeyFields, make_project_key
from tunesmith.gateway.organisation.shared import (
    AdminPageFields,
    AskedRole,
    actor_of,
    page_of,
    read_lists,
    shown_role,
    to_role,
)
from tunesmith.records import OWNER
from tunesmith.stores.audit import Actor
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey, KeyStore
from tunesmith.stores.principals import Principal, Principals

_USERS = "/v1/organization/users"
_MEMBERS = "/v1/organization/projects/{project_id}/users"

OrganisationRole = Literal["owner", "reader"]
"""What a user may do in the organisation: administer it, or nothing but what their projects allow."""


class UserFields(BaseModel):
    """A user as they shall be."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200)
    """For people."""
    email: str | None = Field(None, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")
    """Unique in the organisation."""
    role: OrganisationRole = "reader"
    """Whether they administer the organisation."""


class UserRoleFields(BaseModel):
    """What of a user shall change."""

    model_config = ConfigDict(extra="forbid")
    role: OrganisationRole
    """Whether they administer the organisation."""


class UserListFields(AdminPageFields):
    """The query of the list of users."""

    emails: list[str] = Field(default_factory=list)
    """Only these."""


class MemberFields(BaseModel):
    """Who shall join a project: `user_id`, or `email`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=either("user_id", "email"))
    user_id: str | None = Field(None, min_length=1)
    """A user of the organisation."""
    email: str | None = Field(None, min_length=1)
    """The same, by their address."""
    role: AskedRole
    """What they may do in the project."""

    @model_validator(mode="after")
    def _names_one(self) -> MemberFields:
        if (self.user_id is None) == (self.email is None):
            raise ValueError("send either user_id or email")
        return self


class MemberRoleFields(BaseModel):
    """What of a member shall change."""

    model_config = ConfigDict(extra="forbid")
    role: AskedRole
    """What they may do in the project."""


def user_routes(*, authenticate: Authenticator, database: Database) -> APIRouter:
    """Users of the organisation; for its administrators.

    Args:
        authenticate: who calls.
        database: keeps them.

    Returns:
        Their routes.
    """
    router = APIRouter()
    administers = authenticate.needs_organisation

    def principals(key: ApiKey) -> Principals:
        return Principals(database, key.organisation_id)

    @router.get(_USERS)
    async def list_users(request: Request, key: ApiKey = Depends(administers)) -> dict[str, Any]:  # noqa: B008
        fields = check_fields(read_lists(request, {"emails"}), UserListFields, strict=False)
        known = await run_in_threadpool(principals(key).users)
        wanted = [user for user in known if not fields.emails or user.email in fields.emails]
        return page_of(wanted, fields, id_of=lambda user: user.id, show=user_object)

    @router.post(_USERS)
    async def add_user(request: Request, key: ApiKey = Depends(administers)) -> dict[str, Any]:  # noqa: B008
        fields = check_fields(await read_object(request), UserFields)
        made = await run_in_threadpool(
            principals(key).add_user,
            fields.name,
            email=fields.email,
            is_owner=fields.role == "owner",
            actor=actor_of(request, key),
        )
        return user_object(made)

    @router.get(_USERS + "/{user_id}")
    async def retrieve_user(user_id: str, key: ApiKey = Depends(administers)) -> dict[str, Any]:  # noqa: B008
        return user_object(await run_in_threadpool(principals(key).user, user_id))

    @router.post(_USERS + "/{user_id}")
    async def modify_user(
        request: Request,
        user_id: str,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), UserRoleFields)
        user = await run_in_threadpool(principals(key).user, user_id)
        changed = await run_in_threadpool(
            principals(key).set_owner, user.id, fields.role == "owner", actor=actor_of(request, key)
        )
        return user_object(changed)

    @router.delete(_USERS + "/{user_id}")
    async def delete_user(
        request: Request,
        user_id: str,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        user = await run_in_threadpool(principals(key).user, user_id)
        await run_in_threadpool(principals(key).remove, user.id, actor=actor_of(request, key))
        return {"object": "organization.user.deleted", "id": user.id, "deleted": True}

    return router


def member_routes(*, authenticate: Authenticator, database: Database) -> APIRouter:
    """Users of a project; for those who administer it. Who is there to be added, the organisation alone knows.

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

    def add(fields: MemberFields, project_id: str, key: ApiKey, actor: Actor) -> dict[str, Any]:
        user = principals(key).user(fields.user_id or fields.email or "")
        return set_role(project_id, user.id, to_role(fields.role), key, actor)

    def set_role(project_id: str, user_id: str, role: Any, key: ApiKey, actor: Actor) -> dict[str, Any]:
        principals(key).set_role(project_id, user_id, role, actor=actor)
        return member_object(principals(key).member(project_id, user_id, "user"))

    def change(fields: MemberRoleFields, user_id: str, key: ApiKey, actor: Actor) -> dict[str, Any]:
        principals(key).member(key.project_id, user_id, "user")
        return set_role(key.project_id, user_id, to_role(fields.role), key, actor)

    def remove(user_id: str, key: ApiKey, actor: Actor) -> None:
        principals(key).member(key.project_id, user_id, "user")
        principals(key).remove_member(key.project_id, user_id, actor=actor)

    def make_key(
        fields: AccountKeyFields, project_id: str, user_id: str, key: ApiKey, actor: Actor
    ) -> dict[str, Any]:
        member = principals(key).member(project_id, user_id, "user")
        return make_project_key(keys, project_id, member, fields, actor)

    @router.get(_MEMBERS)
    async def list_members(request: Request, key: ApiKey = Depends(administers)) -> dict[str, Any]:  # noqa: B008
        fields = check_fields(dict(request.query_params), AdminPageFields, strict=False)
        known = await run_in_threadpool(principals(key).members, key.project_id, "user")
        return page_of(known, fields, id_of=lambda user: user.id, show=member_object)

    # A project's administrator who could name anybody would learn who else is of the organisation.
    @router.post(_MEMBERS)
    async def add_member(
        request: Request,
        project_id: str,
        key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        await authenticate.require_project(key, project_id)
        fields = check_fields(await read_object(request), MemberFields)
        return await run_in_threadpool(add, fields, project_id, key, actor_of(request, key))

    @router.get(_MEMBERS + "/{user_id}")
    async def retrieve_member(user_id: str, key: ApiKey = Depends(administers)) -> dict[str, Any]:  # noqa: B008
        return member_object(await run_in_threadpool(principals(key).member, key.project_id, user_id, "user"))

    @router.post(_MEMBERS + "/{user_id}")
    async def modify_member(
        request: Request,
        user_id: str,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), MemberRoleFields)
        return await run_in_threadpool(change, fields, user_id, key, actor_of(request, key))

    @router.delete(_MEMBERS + "/{user_id}")
    async def delete_member(
        request: Request,
        user_id: str,
        key: ApiKey = Depends(administers),  # noqa: B008
    ) -> dict[str, Any]:
        await run_in_threadpool(remove, user_id, key, actor_of(request, key))
        return {"object": "organization.project.user.deleted", "id": user_id, "deleted": True}

    # Who makes a key in somebody's name can act in it.
    @router.post(_MEMBERS + "/{user_id}/api_keys")
    async def create_member_key(
        request: Request,
        project_id: str,
        user_id: str,
        key: ApiKey = Depends(authenticate.needs_organisation),  # noqa: B008
    ) -> dict[str, Any]:
        await authenticate.require_project(key, project_id)
        fields = check_fields(await read_object(request), AccountKeyFields)
        return await run_in_threadpool(make_key, fields, project_id, user_id, key, actor_of(request, key))

    return router


def user_object(user: Principal) -> dict[str, Any]:
    """A user of the organisation as the OpenAI API shows them.

    Args:
        user: the user.

    Returns:
        The JSON object.
    """
    return {
        "object": "organization.user",
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": "owner" if user.is_owner else "reader",
        "added_at": user.created_at,
        "is_default": user.id == OWNER,
        "is_service_account": False,
    }


def member_object(user: Principal) -> dict[str, Any]:
    """A user of a project as the OpenAI API shows them.

    Args:
        user: the user, with their role.

    Returns:
        The JSON object; `access` is the role in our words.
    """
    return {
        "object": "organization.project.user",
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": shown_role(user.role),
        "access": user.role,
        "added_at": user.joined_at or user.created_at,
    }
