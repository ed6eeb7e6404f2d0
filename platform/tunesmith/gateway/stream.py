"""A stream of the data plane on its way to the client: passed on or told anew event by event, never gathered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tunesmith.errors import PlatformError
from tunesmith.gateway.errors import platform_error_body
from tunesmith.gateway.metrics import Tally
from tunesmith.gateway.served import without_nulls
from tunesmith.gateway.upstream import EventSource, in_stream_error

_LOGPROBS = (b'"logprobs":{', b'"logprobs": {')
_CALLS = (b'"tool_calls":[{', b'"tool_calls": [{')
_COMPLETED = (*_LOGPROBS, *_CALLS)
_LOOKED_AT = (b'"error"', b'"usage"', b'"timings_ms"', *_COMPLETED)
"""What makes a chunk worth reading; all others are passed on as they are."""
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventStreamResponse(StreamingResponse):
    """Answers with events made from an open source, and closes the source however the response ends.

    Args:
        source: the open stream of the data plane.
        events: what the client gets, whole events with their blank lines.
    """

    def __init__(self, source: EventSource, events: AsyncIterator[bytes]) -> None:
        self._source = source
        super().__init__(events, 200, _HEADERS, "text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; a client that goes away closes the source, which stops the generation.

        Args:
            scope: ASGI scope.
            receive: ASGI receive.
            send: ASGI send.
        """
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._source.close()


async def relay(source: EventSource, *, tally: Tally, usage_wanted: bool) -> AsyncIterator[bytes]:
    """Pass events on.

    Args:
        source: the open stream.
        tally: told of the first token and of the usage.
        usage_wanted: whether the client asked for the chunk that holds nothing but the usage; the gateway always
            does, to count tokens.

    Yields:
        Whole events, each with its blank line; what has come together is passed on together.
    """
    try:
        async for events in source.events():
            looked_at = (_look_at(event, tally=tally, usage_wanted=usage_wanted) for event in events)
            if passed := b"".join(event + b"\n\n" for event in looked_at if event is not None):
                yield passed
    except PlatformError as error:
        tally.failed(error.code or error.type)
        yield _event(platform_error_body(error)) + b"\n\n"


def _look_at(event: bytes, *, tally: Tally, usage_wanted: bool) -> bytes | None:
    payload = event.removeprefix(b"data:").strip()
    if not event.startswith(b"data:") or payload == b"[DONE]":
        return event
    tally.chunk()
    if not any(word in payload for word in _LOOKED_AT):
        return event
    chunk: dict[str, Any] = json.loads(payload)
    if isinstance(chunk.get("error"), dict):
        error = in_stream_error(chunk["error"])
        tally.failed(error.code or error.type)
        return _event(platform_error_body(error))
    tally.answered(chunk)
    if chunk.get("usage") and not chunk.get("choices"):
        return event if usage_wanted else None
    if any(word in payload for word in _COMPLETED):
        return _event(_complete_calls(_complete_logprobs(chunk)))
    return event


def _complete_logprobs(chunk: dict[str, Any]) -> dict[str, Any]:
    """The schema of chat requires a null beside the tokens that vLLM leaves out; that of text completions does not."""
    for choice in chunk["choices"]:
        if "delta" in choice and choice.get("logprobs"):
            choice["logprobs"] = {"refusal": None} | choice["logprobs"]
    return chunk


def _complete_calls(chunk: dict[str, Any]) -> dict[str, Any]:
    """A call is gone on with by what is new of it: vLLM says null of the rest, for which the schema has no place."""
    for choice in chunk["choices"]:
        if calls := choice.get("delta", {}).get("tool_calls"):
            choice["delta"]["tool_calls"] = [
                without_nulls(call) | {"function": without_nulls(call.get("function") or {})}
                for call in calls
            ]
    return chunk


async def read_chunks(source: EventSource, *, tally: Tally) -> AsyncIterator[dict[str, Any]]:
    """Read the chunks of a stream, to be told anew in another form.

    Args:
        source: the open stream.
        tally: told of the first token and of the usage.

    Yields:
        One chunk each, the one with the usage too.

    Raises:
        RefusedError: the engine refused the request.
        UnavailableError: the engine failed, or the connection broke.
        SlowError: the next piece did not come in time.
    """
    async for events in source.events():
        for event in events:
            payload = event.removeprefix(b"data:").strip()
            if not event.startswith(b"data:") or payload == b"[DONE]":
                continue
            tally.chunk()
            chunk: dict[str, Any] = json.loads(payload)
            if isinstance(chunk.get("error"), dict):
                error = in_stream_error(chunk["error"])
                tally.failed(error.code or error.type)
                raise error
            tally.answered(chunk)
            yield chunk


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, separators=(",", ":")).encode()
