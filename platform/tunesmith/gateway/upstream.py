"""The data plane as the gateway sees it: Ray Serve's HTTP address, with its errors put into our own words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from tunesmith.errors import PlatformError, RefusedError, SlowError, UnavailableError

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 600.0
"""Longest wait for an answer, or for the next piece of a stream; the official clients wait as long."""


class Upstream:
    """Sends requests to the data plane.

    Args:
        serve_url: Ray Serve's HTTP address.
    """

    def __init__(self, serve_url: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=serve_url,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=1000, max_keepalive_connections=100),
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for an answer in one piece.

        Args:
            path: route on Ray Serve.
            body: JSON to send.

        Returns:
            The JSON that came back.

        Raises:
            RefusedError: a 4xx.
            UnavailableError: nothing answers, or it fails.
            SlowError: no answer in time.
        """
        response = await self._send(path, body)
        try:
            raw = await _reading(response)
        finally:
            await response.aclose()
        answer: dict[str, Any] = json.loads(raw)
        return answer

    async def open_stream(self, path: str, body: Mapping[str, Any]) -> EventSource:
        """Ask for an answer as server-sent events.

        Args:
            path: route on Ray Serve.
            body: JSON to send.

        Returns:
            The open stream; whoever holds it closes it.

        Raises:
            RefusedError: a 4xx.
            UnavailableError: nothing answers, or it fails.
            SlowError: no first piece in time.
        """
        return EventSource(await self._send(path, body))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _send(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        request = self._client.build_request("POST", path, json=body)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise _transport_error(error) from error
        if response.status_code != 200:
            try:
                raise _as_error(response.status_code, await _reading(response))
            finally:
                await response.aclose()
        return response


class EventSource:
    """Server-sent events of one answer, as they come.

    Args:
        response: an open response.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    async def events(self) -> AsyncIterator[bytes]:
        """The events, each as soon as it is whole.

        Yields:
            One event's lines, without the blank line after it.

        Raises:
            UnavailableError: the connection broke.
            SlowError: the next piece did not come in time.
        """
        pending = b""
        try:
            async for piece in self._response.aiter_raw():
                *whole, pending = (pending + piece).replace(b"\r\n", b"\n").split(b"\n\n")
                for event in whole:
                    yield event
        except httpx.HTTPError as error:
            raise _transport_error(error) from error
        if pending.strip():
            yield pending

    async def close(self) -> None:
        """Close the connection; an answer that is still being made is given up."""
        await self._response.aclose()


async def _reading(response: httpx.Response) -> bytes:
    try:
        return await response.aread()
    except httpx.HTTPError as error:
        raise _transport_error(error) from error


def _transport_error(error: httpx.HTTPError) -> PlatformError:
    if isinstance(error, httpx.TimeoutException) and not isinstance(
        error, httpx.ConnectTimeout | httpx.PoolTimeout
    ):
        return SlowError(
            f"The engine did not answer within {ANSWER_SECONDS:.0f} s. Ask for fewer tokens, or try again."
        )
    return UnavailableError("The engine does not answer. It may be starting: GET /readyz says. Try again.")


def _as_error(status: int, raw: bytes) -> PlatformError:
    try:
        error = json.loads(raw)["error"]
    except (ValueError, TypeError, KeyError):
        error = None
    if status < 500 and isinstance(error, Mapping):
        return _refused(status, error)
    # Bodies of 5xx carry internal exceptions; a 404 that is not ours is Ray Serve without the application.
    return UnavailableError("The engine failed or is not deployed (yet): GET /readyz says. Try again.")


def in_stream_error(error: Mapping[str, Any]) -> PlatformError:
    """Put an error that came inside a stream into our own words.

    Args:
        error: the `error` object of the event.

    Returns:
        The error to tell.
    """
    try:
        status = int(error.get("code") or 0)
    except (TypeError, ValueError):
        status = 0
    if 400 <= status < 500 or error.get("type") in ("invalid_request_error", "BadRequestError"):
        return _refused(status or 400, error)
    return UnavailableError("The engine failed while it answered. Try again.")


def _refused(status: int, error: Mapping[str, Any]) -> RefusedError:
    message = str(error.get("message") or "The engine refused the request.")
    code = _code(status, message, error.get("code"))
    return RefusedError(message, status=status, param=_text(error.get("param")), code=code)


def _code(status: int, message: str, code: object) -> str | None:
    if "maximum context length" in message or "longer than the maximum model length" in message:
        return "context_length_exceeded"
    if status == 404 and code in (None, 404, "404"):
        return "model_not_found"
    # vLLM repeats the HTTP status as an integer; the OpenAI API has a word or null here.
    return code if isinstance(code, str) and not code.isdigit() else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
