"""Websockets that something is sent on for as long as their client is there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.websockets import WebSocket


async def while_there(client: WebSocket, sending: Coroutine[Any, Any, None]) -> None:
    """Send until all is sent, or the client has gone.

    Args:
        client: an accepted websocket that nothing else reads.
        sending: sends on it.
    """
    tasks = (asyncio.create_task(sending), asyncio.create_task(_gone(client)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(client: WebSocket) -> None:
    while (await client.receive())["type"] != "websocket.disconnect":
        pass
