"""From a request of `/v1/responses` to everything that answering it takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.gateway.body import check_fields
from tunesmith.gateway.chat import ChatCall, ChatFields, asked_question, plan_call
from tunesmith.gateway.names import Names
from tunesmith.gateway.responses.events import ResponseSeries
from tunesmith.gateway.responses.items import Item, new_id, read_items
from tunesmith.gateway.responses.object import response_head
from tunesmith.gateway.responses.output import Search
from tunesmith.gateway.responses.request import ResponseFields, chat_body
from tunesmith.stores.database import Database
from tunesmith.stores.responses import ResponseStore


@dataclass(frozen=True, slots=True)
class PlannedResponse:
    """A request that is ready to be answered.

    Attributes:
        fields: what was asked for.
        asked: its own input, as items.
        call: what is sent to the data plane.
        series: the response to be told.
    """

    fields: ResponseFields
    asked: Sequence[Item]
    call: ChatCall
    series: ResponseSeries


def plan_response(
    fields: ResponseFields, project_id: str, *, names: Names, database: Database, kept: ResponseStore
) -> PlannedResponse:
    """Resolve a request: which turns, which model, which stores.

    Args:
        fields: what was asked for.
        project_id: whose names count.
        names: resolves model names.
        database: knows the vector stores.
        kept: the project's stored responses.

    Returns:
        What answering it takes.

    Raises:
        ModelNotFoundError: no such model.
        NotFoundError: no such vector store.
        ConfigError: an item, a tool or the response before is wrong or not served.
    """
    asked = read_items(fields.input, find=kept.item)
    body = chat_body(fields, [*_turns_before(fields.previous_response_id, kept), *asked])
    chat = check_fields(body, ChatFields)
    call = plan_call(body, chat, project_id, names=names, database=database)
    head = response_head(
        fields, response_id=new_id("resp"), model=call.model.model, created_at=int(time.time())
    )
    stores = {store.id: store for store in call.stores}
    search = Search(new_id("fs"), asked_question(chat), stores) if stores else None
    return PlannedResponse(fields, asked, call, ResponseSeries(head, search=search, include=fields.include))


def _turns_before(response_id: str | None, kept: ResponseStore) -> list[Item]:
    if response_id is None:
        return []
    try:
        return kept.conversation(response_id)
    except NotFoundError as error:
        raise ConfigError(
            f"Previous response with id '{response_id}' not found. It was sent with store=false, belongs to another "
            "project, or it or one before it was deleted: send the turns themselves.",
            param="previous_response_id",
            code="previous_response_not_found",
        ) from error
