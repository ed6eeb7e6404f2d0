"""What was used, noted when a request has ended and written every few seconds: nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.errors import PlatformError
from tunesmith.gateway.limits import Limiter
from tunesmith.gateway.request_record import RequestRecord
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.usage import HOUR, UsageKind, UsageStore, Used, UsedBy

FLUSH_SECONDS = 5.0
"""What a gateway that is killed forgets at most."""
LAST_USED_SECONDS = 60.0
"""How often the last use of a key is written."""
KINDS: dict[str, UsageKind] = {
    "/v1/chat/completions": "completions",
    "/v1/completions": "completions",
    "/v1/responses": "completions",
    "/v1/embeddings": "embeddings",
}
"""The routes whose usage is counted, and what their reports call it."""
_MOST_KEPT = 10_000
_LOG = logging.getLogger("tunesmith.meter")


class Meter:
    """Counts what requests used.

    Args:
        usage: where it is written.
        keys: where the last use of a key is written.
        limiter: told of the tokens.
    """

    def __init__(self, *, usage: UsageStore, keys: KeyStore, limiter: Limiter) -> None:
        self._usage = usage
        self._keys = keys
        self._limiter = limiter
        self._counted: dict[UsedBy, Used] = {}
        self._last_used: dict[str, int] = {}
        self._written: dict[str, float] = {}
        self._flush: asyncio.Task[None] | None = None

    def note(self, record: RequestRecord, *, route: str, status: int) -> None:
        """Note what a request used.

        Args:
            record: what is known about it.
            route: pattern of its route.
            status: HTTP status of the answer.
        """
        if not record.key_id:
            return
        self._note_key(record.key_id)
        if record.model and route in KINDS and status < 400:
            self._count(record, route)
            tokens = record.prompt_tokens + record.completion_tokens
            self._limiter.charge(record.project_id, record.key_id, tokens)
        if (self._counted or self._last_used) and self._flush is None:
            self._flush = asyncio.get_running_loop().create_task(self._flush_later())

    async def flush(self) -> None:
        """Write what is noted; what cannot be written now is tried again."""
        counted, self._counted = self._counted, {}
        used, self._last_used = self._last_used, {}
        try:
            if counted:
                await run_in_threadpool(self._usage.add, counted)
            if used:
                await run_in_threadpool(self._keys.note_used, used)
        except PlatformError as error:
            _LOG.warning("usage could not be written, and is kept for now: %s", error.message)
            self._keep(counted)

    async def close(self) -> None:
        """Write what is noted, at the end."""
        if self._flush:
            self._flush.cancel()
        await self.flush()

    async def _flush_later(self) -> None:
        await asyncio.sleep(FLUSH_SECONDS)
        try:
            await self.flush()
        finally:
            self._flush = None

    def _note_key(self, key_id: str) -> None:
        now = time.monotonic()
        if now - self._written.get(key_id, -LAST_USED_SECONDS) < LAST_USED_SECONDS:
            return
        if len(self._written) > _MOST_KEPT:
            self._written.clear()
        self._written[key_id] = now
        self._last_used[key_id] = int(time.time())

    def _count(self, record: RequestRecord, route: str) -> None:
        by = UsedBy(
            project_id=record.project_id,
            key_id=record.key_id,
            principal_id=record.principal_id,
            model=record.model,
            kind=KINDS[route],
            hour=int(time.time()) // HOUR * HOUR,
        )
        self._add(by, Used(1, record.prompt_tokens, record.completion_tokens))

    def _add(self, by: UsedBy, more: Used) -> None:
        if len(self._counted) >= _MOST_KEPT and by not in self._counted:
            return
        used = self._counted.setdefault(by, Used())
        used.requests += more.requests
        used.input_tokens += more.input_tokens
        used.output_tokens += more.output_tokens

    def _keep(self, counted: dict[UsedBy, Used]) -> None:
        for by, used in counted.items():
            self._add(by, used)


class MeterMiddleware:
    """Around the routes: headers that say what is left, and a note of what was used; streams pass untouched.

    Args:
        app: the app inside.
        meter: told of each request that has ended.
    """

    def __init__(self, app: ASGIApp, *, meter: Meter) -> None:
        self._app = app
        self._meter = meter

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
        record: RequestRecord = scope.setdefault("state", {}).setdefault("record", RequestRecord())
        status = 500

        async def send_with_limits(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if record.headers:
                    MutableHeaders(scope=message).update(record.headers)
            await send(message)

        try:
            await self._app(scope, receive, send_with_limits)
        finally:
            self._meter.note(record, route=getattr(scope.get("route"), "path", ""), status=status)
