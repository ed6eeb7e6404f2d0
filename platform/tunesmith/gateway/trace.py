"""Around every request: an id that the client gets back, and one line in the metrics."""

from __future__ import annotations

import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.gateway.metrics import Metrics
from tunesmith.gateway.request_record import RequestRecord


class TraceMiddleware:
    """Plain ASGI, so that streams pass through untouched.

    Args:
        app: the app inside.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Args:
            scope: ASGI scope.
            receive: ASGI receive.
            send: ASGI send.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, record = 500, RequestRecord(request_id=f"req_{secrets.token_hex(12)}")
        scope.setdefault("state", {})["record"] = record

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = record.request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._count(scope, record, status)

    def _count(self, scope: Scope, record: RequestRecord, status: int) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE") else "other"
        seconds = time.perf_counter() - record.began
        self._metrics.request_done(record, route=route, method=method, status=status, seconds=seconds)
