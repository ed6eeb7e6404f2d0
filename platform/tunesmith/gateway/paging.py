"""Lists in pages: where a page begins, how long it is, and what the client is told to ask for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.gateway.body import check_fields


class PageFields(BaseModel):
    """The query of a list; a resource with other limits overrides the field."""

    model_config = ConfigDict(extra="ignore")
    after: str | None = Field(None, min_length=1)
    """Id of the last thing on the page before."""
    limit: int = Field(20, ge=1, le=100)
    """Most things on a page."""
    order: Literal["asc", "desc"] = "desc"
    """By creation time: `desc` has the newest first."""


Fields = TypeVar("Fields", bound=PageFields)


def read_page(request: Request, model: type[Fields]) -> Fields:
    """Check the query of a list.

    Args:
        request: the request.
        model: what its query must be.

    Returns:
        The typed query.

    Raises:
        ConfigError: a parameter is wrong; names it.
    """
    return check_fields(dict(request.query_params), model, strict=False)


def page_object(shown: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page as the OpenAI API shows it.

    Args:
        shown: its things, as the API shows them, each with an `id`.
        has_more: whether things follow.

    Returns:
        The JSON object; `first_id` and `last_id` are empty where nothing is shown, for the spec has no null there.
    """
    return {
        "object": "list",
        "data": list(shown),
        "first_id": shown[0]["id"] if shown else "",
        "last_id": shown[-1]["id"] if shown else "",
        "has_more": has_more,
    }
