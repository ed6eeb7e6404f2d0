"""What the routes under /v1/organization share: who acts, pages, and OpenAI's two words for our four roles."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from tunesmith.gateway.request_record import record_of
from tunesmith.records import ProjectRole
from tunesmith.stores.audit import Actor
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.projects import Projects

AskedRole = Literal["owner", "member", "read", "use", "train", "administer"]
"""A role as the API takes it: OpenAI's words, or ours."""
Thing = TypeVar("Thing")


class AdminPageFields(BaseModel):
    """The query of a list of the administration."""

    model_config = ConfigDict(extra="ignore")
    after: str | None = None
    """Id of the last thing on the page before."""
    limit: int = Field(20, ge=1, le=100)
    """Most things on a page."""


def actor_of(request: HTTPConnection, key: ApiKey) -> Actor:
    """Who acts, for the audit log.

    Args:
        request: the request.
        key: the key that it came with.

    Returns:
        The actor.
    """
    return Actor(key.principal_id, key.id, record_of(request).request_id, key.organisation_id)


def readable_projects(database: Database, key: ApiKey, asked: Sequence[str] | None) -> list[str]:
    """The projects of which a key may read a report.

    Args:
        database: keeps the projects.
        key: an administrator's.
        asked: the projects that are asked for, where not all are.

    Returns:
        Ids: of those asked for, the ones of the key's organisation, archived ones included. A project's administrator
        sees their own project, whichever they ask for.
    """
    if not key.of_organisation:
        return [key.project_id]
    own = [project.id for project in Projects(database, key.organisation_id).all(include_archived=True)]
    return [project_id for project_id in own if asked is None or project_id in asked]


def to_role(asked: AskedRole) -> ProjectRole:
    """Our role behind a word of the API.

    Args:
        asked: `owner`, `member`, or one of ours.

    Returns:
        `administer` for an owner, `train` for a member.
    """
    if asked == "owner":
        return "administer"
    return "train" if asked == "member" else asked


def shown_role(role: ProjectRole | None) -> str:
    """OpenAI's word for a role.

    Args:
        role: one of ours.

    Returns:
        `owner` or `member`.
    """
    return "owner" if role == "administer" else "member"


def read_lists(request: HTTPConnection, several: Container[str]) -> dict[str, Any]:
    """The query with its lists, which clients write as `name=a&name=b` or `name[]=a`.

    Args:
        request: the request.
        several: names that can have several values.

    Returns:
        Lists under these names, texts elsewhere.
    """
    query: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        plain = name.removesuffix("[]")
        if plain in several:
            query.setdefault(plain, []).append(value)
        else:
            query[plain] = value
    return query


def page_of(
    things: Sequence[Thing],
    fields: AdminPageFields,
    *,
    id_of: Callable[[Thing], str],
    show: Callable[[Thing], dict[str, Any]],
) -> dict[str, Any]:
    """Cut a page out of a list that is short enough to be read whole.

    Args:
        things: all of them, in order.
        fields: which page; one after a thing that is not there is empty.
        id_of: a thing's id.
        show: a thing as the API shows it.

    Returns:
        The JSON object.
    """
    rest = list(things)
    if fields.after:
        ids = [id_of(thing) for thing in rest]
        rest = rest[ids.index(fields.after) + 1 :] if fields.after in ids else []
    page = rest[: fields.limit]
    return {
        "object": "list",
        "data": [show(thing) for thing in page],
        "first_id": id_of(page[0]) if page else None,
        "last_id": id_of(page[-1]) if page else None,
        "has_more": len(rest) > len(page),
    }
