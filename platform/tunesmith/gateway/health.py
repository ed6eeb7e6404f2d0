"""GET /healthz: the gateway lives. GET /readyz: everything behind it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from tunesmith.gateway.drain import Draining
from tunesmith.gateway.errors import RETRY_AFTER_SECONDS
from tunesmith.stores.state_file import PlatformState

Readiness = Callable[[], PlatformState | None]


def health_routes(readiness: Readiness, draining: Draining) -> APIRouter:
    """The health resource; without a key, as load balancers read it.

    Args:
        readiness: what the controller last said.
        draining: whether this gateway is ending.

    Returns:
        Its routes.
    """
    router = APIRouter()

    @router.get("/healthz")
    async def read_health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def read_readiness() -> JSONResponse:
        state = readiness()
        if draining.begun:
            said = ready_object(state) | {"ready": False, "draining": True}
            return JSONResponse(said, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})
        if state is not None and state.ready:
            return JSONResponse(ready_object(state))
        return JSONResponse(ready_object(state), 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})

    return router


def ready_object(state: PlatformState | None) -> dict[str, Any]:
    """Readiness, part by part. A silent controller takes nothing out of service: what served goes on serving.

    Args:
        state: what the controller last said.

    Returns:
        The JSON body.
    """
    if state is None:
        return {"ready": False, "controller": "has not said anything yet", "parts": {}}
    parts = {part.name: {"state": part.condition, "message": part.message} for part in state.parts}
    return {"ready": state.ready, "controller": "silent" if state.silent else "ok", "parts": parts}
