"""An ASGI app behind a real socket, in a thread; and what a client of it need not make anew in every test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

CERTIFICATES = ssl.create_default_context()
"""For `verify=` of clients, which else read the certificates of the whole world, each of them, to speak plain HTTP."""


class _PromptServer(uvicorn.Server):
    """Looks ten times as often whether it is to end: a test waits for that."""

    async def main_loop(self) -> None:
        tick = 0
        while not await self.on_tick(tick):
            tick = (tick + 1) % 10
            for _ in range(10):
                await asyncio.sleep(0.01)
                if self.should_exit:
                    return


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Run an ASGI app on a free port in a thread; gives its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = _PromptServer(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.002)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()
