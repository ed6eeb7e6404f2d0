"""A server that ends without failing a request: it says so first, then finishes what it has begun."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.config.serve import LoadConfig
from tunesmith.errors import UnavailableError
from tunesmith.gateway.errors import platform_error_response

_BACKLOG = 2048
_ENDING = UnavailableError("This gateway is ending, and had no time left for the request. Send it again.")


class Draining:
    """Whether the gateway is ending."""

    def __init__(self) -> None:
        self.begun = False


class DrainMiddleware:
    """Asks for every connection to be closed behind its answer once the gateway is ending, and says so at the very end.

    A client that keeps its connection open would otherwise send its next request into one that is just being closed.
    One whose answer has not begun when the time is over, since it waits for a base or asked for it in one piece, is
    sent away with a 503 to come back: the server itself would make a bare 500 of it.

    Args:
        app: the app inside.
        draining: looked at for each answer.
    """

    def __init__(self, app: ASGIApp, *, draining: Draining) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Args:
            scope: ASGI scope.
            receive: ASGI receive.
            send: ASGI send.
        """

        answering = False

        async def send_closing(message: Message) -> None:
            nonlocal answering
            if message["type"] == "http.response.start":
                answering = True
                if self._draining.begun:
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, send_closing)
        except asyncio.CancelledError:
            if answering or not self._draining.begun or scope["type"] != "http":
                raise
            await platform_error_response(_ENDING)(scope, receive, send_closing)


class DrainingServer(uvicorn.Server):
    """uvicorn, with a pause between "no more, please" and the end.

    On SIGTERM: `GET /readyz` says 503, and answers ask for their connections to be closed, for `linger_seconds`. Then
    open connections without a request are closed; requests in flight have `drain_seconds` more.

    Args:
        config: uvicorn's.
        draining: set when it begins.
        load: how long each step takes.
        handed_over: whether another process holds the listening socket too. Then new connections are its business at
            once; otherwise they are still answered here while load balancers learn that this gateway ends.
        on_ready: called when requests are answered.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        draining: Draining,
        load: LoadConfig,
        handed_over: bool = False,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._draining = draining
        self._linger_seconds = load.linger_seconds
        self._handed_over = handed_over
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so.

        Args:
            sockets: listening already.
        """
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in steps.

        Args:
            sockets: those of `startup`.
        """
        self._draining.begun = True
        if self._handed_over:
            for server in self.servers:
                server.close()
        await asyncio.sleep(self._linger_seconds)
        await super().shutdown(sockets)


def serve_draining(
    app: ASGIApp,
    *,
    draining: Draining,
    load: LoadConfig,
    host: str,
    port: int,
    listener: socket.socket | None = None,
    ready_fd: int | None = None,
) -> None:
    """Serve an app until SIGTERM, and end as `DrainingServer` does.

    Args:
        app: what to serve.
        draining: shared with the app.
        load: how long each step takes, and how long a client may be silent.
        host: where to listen.
        port: where to listen.
        listener: a listening socket that was handed over; stands for host and port.
        ready_fd: a pipe; told when requests are answered.
    """
    config = uvicorn.Config(
        DrainMiddleware(app, draining=draining),
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=round(load.drain_seconds),
        backlog=_BACKLOG,
    )
    own = listener or config.bind_socket()
    _give_up_on_silent_readers(own, load.client_seconds)
    server = DrainingServer(
        config,
        draining=draining,
        load=load,
        handed_over=listener is not None,
        on_ready=lambda: _tell(ready_fd),
    )
    server.run([own])


def _give_up_on_silent_readers(listener: socket.socket, seconds: float) -> None:
    # Where the system knows it (Linux): connections inherit it. It ends those whose reader takes nothing off the line,
    # which would otherwise keep their last bytes in memory for as long as the reader likes.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))


def _tell(ready_fd: int | None) -> None:
    if ready_fd is not None:
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it
            os.write(ready_fd, b"ready\n")
        os.close(ready_fd)
