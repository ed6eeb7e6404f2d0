"""Around every request: an id that the client gets back, and what is told of it: metrics, a line in the log, a span."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.gateway.metrics import Metrics
from tunesmith.gateway.request_record import RequestRecord
from tunesmith.telemetry.logs import hide_secrets
from tunesmith.telemetry.traces import Span, Tracer

_LOG = logging.getLogger("tunesmith.request")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,127}")
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every second, and of no interest while they are answered."""


class TraceMiddleware:
    """Plain ASGI, so that streams pass through untouched.

    Args:
        app: the app inside.
        metrics: where requests are counted.
        tracer: makes the request's span, below the one that the client names.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, tracer: Tracer) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer

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
        status, record = 500, RequestRecord(request_id=_request_id(scope))
        scope.setdefault("state", {})["record"] = record

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = record.request_id
            await send(message)

        span = self._tracer.start(scope["method"], kind="server", headers=Headers(scope=scope))
        try:
            with self._tracer.current(span):
                await self._app(scope, receive, send_with_id)
        finally:
            self._tell(scope, record, status, span)

    def _tell(self, scope: Scope, record: RequestRecord, status: int, span: Span) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "DELETE") else "other"
        seconds = time.perf_counter() - record.began
        self._metrics.request_done(record, route=route, method=method, status=status, seconds=seconds)
        if status >= 400 or route not in _PROBES:
            said = record.told()
            _LOG.info("%s %s %d", method, route, status, extra={"fields": _fields(said, seconds, status)})
        _end(span, record, method=method, route=route, status=status)


def _request_id(scope: Scope) -> str:
    """The client's own id, if it is one: ids stand in logs, and end up in headers."""
    asked = Headers(scope=scope).get("x-request-id", "")
    is_one = (
        _ID.fullmatch(asked) and hide_secrets(asked) == asked
    )  # a key in the wrong header must not be kept
    return asked if is_one else f"req_{secrets.token_hex(12)}"


def _fields(said: dict[str, Any], seconds: float, status: int) -> dict[str, Any]:
    return {**said, "status": status, "seconds": round(seconds, 4)}


def _end(span: Span, record: RequestRecord, *, method: str, route: str, status: int) -> None:
    span.rename(f"{method} {route}")
    span.note(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "tunesmith.request_id": record.request_id,
            "tunesmith.project": record.project_id or None,
            "gen_ai.request.model": record.model or None,
        }
    )
    if status >= 500 or record.error_code:
        span.fail(record.error_code or str(status))
    span.end()
