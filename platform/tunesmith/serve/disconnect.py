"""Tells vLLM that a client has gone, in the way it listens for.

When a client goes away, Serve cancels the task that answers it. vLLM answers in a task of its own and
waits for that one with `asyncio.wait`, which leaves it running when it is cancelled: the generation would
go on to its last token. vLLM does stop for the ASGI message `http.disconnect`.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GRACE_SECONDS = 5.0
"""How long an application may take to end after it was told."""


class DisconnectOnCancel:
    """ASGI middleware: a cancelled request becomes one whose client disconnected.

    Args:
        app: the application around which it stands.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        gone = asyncio.Event()
        answering = asyncio.ensure_future(self._app(scope, _Listener(receive, gone), send))
        try:
            return await asyncio.shield(answering)
        except asyncio.CancelledError:
            gone.set()
            await asyncio.wait([answering], timeout=_GRACE_SECONDS)
            answering.cancel()
            raise


class _Listener:
    """Stands for `receive` during one request."""

    def __init__(self, receive: Receive, gone: asyncio.Event) -> None:
        self._receive = receive
        self._gone = gone

    async def __call__(self) -> Message:
        message = asyncio.ensure_future(self._receive())
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait([message, gone], return_when=asyncio.FIRST_COMPLETED)
            return {"type": "http.disconnect"} if gone.done() else message.result()
        finally:
            message.cancel()
            gone.cancel()
