"""No client keeps the gateway, or an engine behind it, waiting without end."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.errors import ClientGoneError, ClientSlowError


class PatienceMiddleware:
    """Gives up on a client that neither sends on nor reads on.

    Answers are not gathered here: what a client does not read stays in the socket's buffer, and while that is full
    nothing more is asked of the data plane. So a client that reads slowly costs a buffer, one that has stopped
    reading is left after `seconds`, and its generation with it.

    Args:
        app: the app inside.
        seconds: how long one piece of a request or of an answer may take.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

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
        asking, gone = True, False

        async def receive_in_time() -> Message:
            nonlocal asking
            if not asking:  # all was sent: what is waited for now is the client's going away
                return await receive()
            try:
                async with asyncio.timeout(self._seconds):
                    message = await receive()
            except TimeoutError:
                raise ClientSlowError(
                    f"The request's next piece did not come within {self._seconds:g} s. Send it without a pause."
                ) from None
            asking = bool(message.get("more_body"))
            return message

        async def send_in_time(message: Message) -> None:
            nonlocal gone
            try:
                async with asyncio.timeout(self._seconds):
                    await send(message)
            except TimeoutError:
                gone = True
                raise ClientGoneError(f"The client read nothing for {self._seconds:g} s.") from None

        try:
            await self._app(scope, receive_in_time, send_in_time)
        except Exception:
            if not gone:  # else there is nobody to tell
                raise
