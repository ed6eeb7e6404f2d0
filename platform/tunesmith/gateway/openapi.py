"""GET /v1/openapi.json: what the gateway serves, for tools and for those who hold a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from fastapi import APIRouter, Depends
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.description.document import render_document
from tunesmith.stores.keys import ApiKey


def routes_of(app: ASGIApp) -> Sequence[BaseRoute]:
    """The routes of a gateway.

    Args:
        app: from `build_app`.

    Returns:
        Its routes, however many middlewares stand around them.
    """
    while not isinstance(app, Starlette):
        app = app._app  # type: ignore[attr-defined]
    return app.routes


def openapi_routes(*, authenticate: Authenticator, routes: Callable[[], Sequence[BaseRoute]]) -> APIRouter:
    """The document resource.

    Args:
        authenticate: who calls.
        routes: all routes of the app.

    Returns:
        Its route.
    """
    router = APIRouter()

    @cache
    def document() -> dict[str, Any]:
        return render_document(routes())

    @router.get("/v1/openapi.json")
    async def read_document(_key: ApiKey = Depends(authenticate.needs("read"))) -> dict[str, Any]:  # noqa: B008
        return document()

    return router
