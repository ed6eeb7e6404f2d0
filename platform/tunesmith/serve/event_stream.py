"""Server-sent events that end properly: an error becomes an event, a client that leaves stops the work."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tunesmith.serve.http_app import LOG, failure_body

DONE = "data: [DONE]\n\n"
"""The last event of every stream."""


class EventStream(StreamingResponse):
    """A response made of events.

    Args:
        first: the first event, awaited before, so that a refusal still has a status of its own.
        rest: the others; closed however the response ends.
    """

    def __init__(self, first: str, rest: AsyncGenerator[str, None]) -> None:
        self._rest = rest
        super().__init__(_events(first, rest), media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._rest.aclose()


async def _events(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    try:
        async for event in rest:
            yield event
    except Exception as error:  # the HTTP edge: the status is sent, an event is all that can still tell
        LOG.error("A stream failed.", exc_info=error)
        yield f"data: {json.dumps(failure_body(error))}\n\n"
        yield DONE
