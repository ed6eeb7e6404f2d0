from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tunesmith.serve.disconnect import DisconnectOnCancel

SCOPE = {"type": "http"}


class LikeVllm:
    """Answers in a task of its own, and stops it when it hears that the client is gone."""

    def __init__(self) -> None:
        self.generating = False
        self.stopped = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        work = asyncio.create_task(self._generate())
        ear = asyncio.create_task(self._listen(receive))
        _, pending = await asyncio.wait([work, ear], return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if work not in pending:
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def _generate(self) -> None:
        self.generating = True
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            self.stopped = True
            raise

    async def _listen(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


async def _start(app: Any, sent: list[Any]) -> asyncio.Task[None]:
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    task = asyncio.ensure_future(app(SCOPE, messages.get, send))
    await asyncio.sleep(0.05)
    return task


async def test_cancelled_request_stops_the_work() -> None:
    inner = LikeVllm()
    task = await _start(DisconnectOnCancel(inner), [])
    assert inner.generating
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert inner.stopped


async def test_request_that_is_not_cancelled_is_answered() -> None:
    inner, sent = LikeVllm(), []
    await (await _start(DisconnectOnCancel(inner), sent))
    assert [message["status"] for message in sent] == [200]
    assert not inner.stopped


async def test_failure_of_the_application_comes_through() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await DisconnectOnCancel(broken)(SCOPE, asyncio.Queue().get, None)
