"""What happens to a request before vLLM gets it, where another engine reads its prompt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from typing import Any

import pytest

from tunesmith.serve.split_prefill import CHAT, ReadElsewhere, SplitPrefill, prompt_alone

WHERE = {"do_remote_prefill": True, "remote_engine_id": "reader-1"}


class Reader:
    """Stands for the handle of the deployment that reads."""

    def __init__(self, where: dict[str, Any] | None = None, error: Exception | None = None) -> None:
        self.where, self.error = where, error
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.read = self
        self.seconds, self.cancelled = 0.0, False

    def remote(self, route: str, body: dict[str, Any]) -> Reader:
        self.asked.append((route, body))
        return self

    def __await__(self) -> Generator[Any, None, dict[str, Any] | None]:
        return self._answer().__await__()

    async def _answer(self) -> dict[str, Any] | None:
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        return self.where

    def cancel(self) -> None:
        self.cancelled = True


class App:
    """Stands for vLLM: notes what it gets."""

    def __init__(self) -> None:
        self.body = b""
        self.length: int | None = None
        self.then: str | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        told = dict(scope["headers"]).get(b"content-length")
        self.length = int(told) if told else None
        message = await receive()
        while message["type"] == "http.request":
            self.body += message["body"]
            if not message["more_body"]:
                break
            message = await receive()
        self.then = (await receive())["type"]


async def _send(reader: Reader, *pieces: bytes, path: str = f"/engine{CHAT}", method: str = "POST") -> App:
    app, messages = App(), asyncio.Queue[dict[str, Any]]()
    for number, piece in enumerate(pieces):
        more = number < len(pieces) - 1
        messages.put_nowait({"type": "http.request", "body": piece, "more_body": more})
    messages.put_nowait({"type": "http.disconnect"})
    scope = {"type": "http", "method": method, "path": path, "headers": [(b"content-length", b"1")]}

    async def ignore(message: Any) -> None: ...

    split = SplitPrefill(reader, patience_seconds=0.2)  # type: ignore[arg-type]
    await ReadElsewhere(app, split)(scope, messages.get, ignore)
    return app


BODY = {"model": "m", "messages": [{"role": "user", "content": "Who?"}], "max_tokens": 9}


async def test_a_request_gets_to_know_where_its_prompt_was_read() -> None:
    reader, sent = Reader(WHERE), json.dumps(BODY).encode()
    app = await _send(reader, sent[:10], sent[10:])
    assert json.loads(app.body) == {**BODY, "kv_transfer_params": WHERE}
    assert app.length == len(app.body)
    assert app.then == "http.disconnect", "what the client does later is not lost"
    assert reader.asked == [(CHAT, BODY)]


@pytest.mark.parametrize("reader", [Reader(None), Reader(error=RuntimeError("gone"))])
async def test_what_nobody_could_read_goes_on_as_it_came(reader: Reader) -> None:
    assert json.loads((await _send(reader, json.dumps(BODY).encode())).body) == BODY


async def test_a_reader_that_takes_too_long_is_not_waited_for() -> None:
    reader = Reader(WHERE)
    reader.seconds = 60
    assert json.loads((await _send(reader, json.dumps(BODY).encode())).body) == BODY
    assert reader.cancelled


async def test_a_request_that_is_given_up_is_given_up_there_too() -> None:
    reader = Reader(WHERE)
    reader.seconds = 60
    sending = asyncio.ensure_future(_send(reader, json.dumps(BODY).encode()))
    await asyncio.sleep(0.05)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert reader.cancelled


async def test_a_client_names_no_address() -> None:
    told = {**BODY, "kv_transfer_params": {"remote_host": "10.0.0.1"}}
    for reader in (Reader(None), Reader(WHERE)):
        app = await _send(reader, json.dumps(told).encode())
        assert json.loads(app.body).get("kv_transfer_params") == reader.where
        assert reader.asked == [(CHAT, BODY)]


@pytest.mark.parametrize("body", [b"{", b"[1]", b"", b"\xff", b"[" * 100_000])
async def test_what_is_no_request_is_vllms_to_refuse(body: bytes) -> None:
    reader = Reader(WHERE)
    assert (await _send(reader, body)).body == body
    assert reader.asked == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/engine/v1/models"), ("POST", "/engine/tokenize"), ("GET", f"/engine{CHAT}")],
)
async def test_other_routes_are_left_alone(method: str, path: str) -> None:
    reader, sent = Reader(WHERE), json.dumps(BODY).encode()
    assert (await _send(reader, sent, method=method, path=path)).body == sent
    assert reader.asked == []


@pytest.mark.parametrize("prompt", ["x", [1, 2, 3]])
async def test_completions_are_read_as_such(prompt: Any) -> None:
    reader = Reader(WHERE)
    await _send(reader, json.dumps({"prompt": prompt}).encode(), path="/engine/v1/completions")
    assert reader.asked == [("/v1/completions", {"prompt": prompt})]


@pytest.mark.parametrize("more", [{"n": 2}, {"best_of": 3}, {"prompt": ["x", "y"]}, {"prompt": [[1], [2]]}])
async def test_a_cache_is_fetched_for_one_prompt_and_one_answer_alone(more: dict[str, Any]) -> None:
    """vLLM hands the parameters of one to all, and the reader frees its cache when the first has fetched it."""
    reader, sent = Reader(WHERE), json.dumps({**BODY, **more}).encode()
    assert json.loads((await _send(reader, sent)).body) == {**BODY, **more}
    assert reader.asked == []


async def test_a_client_that_has_gone_asks_for_nothing() -> None:
    reader = Reader(WHERE)
    app = await _send(reader)
    assert (app.body, app.then, reader.asked) == (b"", None, [])


def test_of_the_answer_nothing_is_asked() -> None:
    tools = [{"type": "function", "function": {"name": "look"}}]
    asked = {**BODY, "stream": True, "n": 3, "logprobs": True, "response_format": {"type": "json_object"}}
    assert prompt_alone(asked) == BODY
    assert prompt_alone({**BODY, "tools": tools, "tool_choice": "required"}) == {
        **BODY,
        "tools": tools,
        "tool_choice": "none",
    }
