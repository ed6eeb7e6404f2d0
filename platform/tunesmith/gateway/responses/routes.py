"""`/v1/responses`: answers with searches and citations as items, kept so that a conversation can go on from them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from tunesmith.errors import ConfigError, PlatformError
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object, while_connected
from tunesmith.gateway.metrics import Metrics
from tunesmith.gateway.names import Names
from tunesmith.gateway.paging import PageFields, page_object, read_page
from tunesmith.gateway.request_record import record_of
from tunesmith.gateway.responses.events import Event, Keep, response_events, whole_response
from tunesmith.gateway.responses.items import Item
from tunesmith.gateway.responses.object import shown, shown_response
from tunesmith.gateway.responses.plan import PlannedResponse, plan_response
from tunesmith.gateway.responses.request import UNSERVED, ResponseFields, in_their_names
from tunesmith.gateway.served import served_fields
from tunesmith.gateway.stream import EventStreamResponse, read_chunks
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import Database
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.responses import ResponseStore


def response_routes(
    *, authenticate: Authenticator, names: Names, database: Database, upstream: Upstream, metrics: Metrics
) -> APIRouter:
    """The responses resource.

    Args:
        authenticate: who calls.
        names: resolves model names.
        database: knows the vector stores, and keeps the responses.
        upstream: the data plane.
        metrics: where tokens and times are counted.

    Returns:
        Its routes.
    """
    router = APIRouter()

    def store(key: ApiKey) -> ResponseStore:
        return ResponseStore(database, key.project_id)

    @router.post("/v1/responses")
    async def create_response(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("use", limited=True)),  # noqa: B008
    ) -> Response:
        fields = check_fields(served_fields(await read_object(request), UNSERVED), ResponseFields)
        try:
            return await answer(request, fields, key.project_id)
        except PlatformError as error:
            raise in_their_names(error) from None

    async def answer(request: Request, fields: ResponseFields, project_id: str) -> Response:
        kept = ResponseStore(database, project_id)
        plan = await run_in_threadpool(
            plan_response, fields, project_id, names=names, database=database, kept=kept
        )
        keep = _keeper(plan, kept)
        call, tally = plan.call, metrics.tally(record_of(request), plan.call.model.model)
        if fields.stream:
            source = await while_connected(request, call.stream(upstream, tally))
            events = response_events(plan.series, read_chunks(source, tally=tally), keep=keep)
            return EventStreamResponse(source, _written(events))
        completion = await while_connected(request, call.post(upstream, tally))
        response = whole_response(plan.series, completion)
        await keep(response)
        return JSONResponse(shown_response(response, fields.include))

    @router.get("/v1/responses/{response_id}")
    async def retrieve_response(
        request: Request,
        response_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        if request.query_params.get("stream") == "true":
            raise ConfigError(
                "stream=true is not served here: a response that is kept is given in one piece.",
                param="stream",
                code="unsupported_parameter",
            )
        response = await run_in_threadpool(store(key).response, response_id)
        return shown_response(response, _included(request))

    @router.delete("/v1/responses/{response_id}")
    async def delete_response(
        response_id: str,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        await run_in_threadpool(store(key).delete, response_id)
        return {"id": response_id, "object": "response", "deleted": True}

    @router.get("/v1/responses/{response_id}/input_items")
    async def list_input_items(
        request: Request,
        response_id: str,
        key: ApiKey = Depends(authenticate.needs("read")),  # noqa: B008
    ) -> dict[str, Any]:
        page = read_page(request, PageFields)
        items = await run_in_threadpool(store(key).asked, response_id)
        return _page([shown(item, _included(request)) for item in items], page)

    @router.post("/v1/responses/{response_id}/cancel", response_model=None)
    async def cancel_response(response_id: str, key: ApiKey = Depends(authenticate.needs("use"))) -> NoReturn:  # noqa: B008
        await run_in_threadpool(store(key).response, response_id)
        raise ConfigError(
            f"Response '{response_id}' cannot be cancelled: it did not run in the background. Closing the connection "
            "stops one that is still being made.",
            param="response_id",
            code="response_not_cancellable",
        )

    return router


def _keeper(plan: PlannedResponse, kept: ResponseStore) -> Keep:
    async def keep(response: Mapping[str, Any]) -> None:
        if plan.fields.store:
            await run_in_threadpool(kept.save, response, asked=plan.asked)

    return keep


async def _written(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    async for event in events:
        data = json.dumps(event, separators=(",", ":"))
        yield f"event: {event['type']}\ndata: {data}\n\n".encode()


def _included(request: Request) -> list[str]:
    # The official clients write a list as `include[]=...`, others repeat the bare name.
    query = request.query_params
    return [*query.getlist("include"), *query.getlist("include[]")]


def _page(items: list[Item], page: PageFields) -> dict[str, Any]:
    ordered = items if page.order == "asc" else items[::-1]
    begin = 0
    if page.after is not None:
        ids = [item["id"] for item in ordered]
        if page.after not in ids:
            raise ConfigError(
                f"Invalid value for 'after': '{page.after}' is not an item of this list. Send the `last_id` of the "
                "page before.",
                param="after",
                code="invalid_value",
            )
        begin = ids.index(page.after) + 1
    shown_items = ordered[begin : begin + page.limit]
    return page_object(shown_items, has_more=len(ordered) > begin + page.limit)
