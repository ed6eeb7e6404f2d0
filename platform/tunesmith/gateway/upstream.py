"""The data plane as the gateway sees it: Ray Serve's HTTP address, with its errors put into our own words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urljoin

import aiohttp

from tunesmith.config.serve import LoadConfig
from tunesmith.errors import (
    LostError,
    OverloadedError,
    PlatformError,
    RefusedError,
    SlowError,
    UnavailableError,
)
from tunesmith.gateway.admission import Admission
from tunesmith.gateway.bases import Bases
from tunesmith.gateway.metrics import Tally
from tunesmith.gateway.replicas import Replicas
from tunesmith.serve.prefix_key import KEY_HEADER, prefix_key
from tunesmith.telemetry.traces import NoTracer, Span, Tracer

_OPERATIONS = {"chat/completions": "chat", "completions": "text_completion", "embeddings": "embeddings"}
"""What OpenTelemetry's conventions for generative models call the work behind each route."""

_FAULT = b'data: {"error"'
"""How an event begins that tells an error."""
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_T = TypeVar("_T")
_PAUSE_SECONDS = 0.2
"""Before a request is sent once more, times how often it was sent: its router has heard of the death by then."""


class Upstream:
    """Sends requests to the data plane, as many at once as may be, each for as long as it may take.

    Args:
        serve_url: Ray Serve's HTTP address.
        load: bounds and timeouts.
        tracer: makes a span for each request.
        bases: where each base is; the one at `serve_url` is the only one if unset.
        replicas: where a request goes that need not go through Ray Serve's proxy.
    """

    def __init__(
        self,
        serve_url: str,
        load: LoadConfig | None = None,
        tracer: Tracer | None = None,
        bases: Bases | None = None,
        replicas: Replicas | None = None,
    ) -> None:
        self._load, self._tracer, self._bases = load or LoadConfig(), tracer or NoTracer(), bases
        self._replicas = replicas or Replicas()
        self.admission = Admission(self._load)
        self._serve_url = serve_url
        self._opened: aiohttp.ClientSession | None = None

    async def post(
        self, path: str, body: Mapping[str, Any], *, tally: Tally, base: str | None = None
    ) -> dict[str, Any]:
        """Ask for an answer in one piece.

        Args:
            path: route on Ray Serve.
            body: JSON to send.
            tally: says whose request it is, and is told what came of it.
            base: the base that answers, where one does.

        Returns:
            The JSON that came back.

        Raises:
            RefusedError: a 4xx.
            TooManyRequestsError: the project has too many requests in flight.
            UnavailableError: nothing answers, it fails, or it has too much to do.
            SlowError: no answer in time.
        """
        call = await self._enter(path, body, tally, base)
        try:
            async with self._in_time(self._load.first_byte_seconds):
                raw = await self._answered(call, _read_whole)
            answer: dict[str, Any] = json.loads(raw)
            tally.answered(answer)
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            call.end()
        return answer

    async def open_stream(
        self, path: str, body: Mapping[str, Any], *, tally: Tally, base: str | None = None
    ) -> EventSource:
        """Ask for an answer as server-sent events.

        Args:
            path: route on Ray Serve.
            body: JSON to send.
            tally: says whose request it is.
            base: the base that answers, where one does.

        Returns:
            The open stream; whoever holds it closes it.

        Raises:
            RefusedError: a 4xx.
            TooManyRequestsError: the project has too many requests in flight.
            UnavailableError: nothing answers, it fails, or it has too much to do.
            SlowError: no first piece in time.
        """
        call = await self._enter(path, body, tally, base)
        try:
            async with self._in_time(self._load.first_byte_seconds):
                response, first = await self._answered(call, _read_first)
        except BaseException as error:
            call.fail(error)
            call.end()
            raise
        return EventSource(response, first, call, self._load)

    async def close(self) -> None:
        """Close all connections."""
        if self._bases:
            await self._bases.close()
        if self._opened:
            await self._opened.close()

    @property
    def _client(self) -> aiohttp.ClientSession:
        # aiohttp, since its parser is written in C: a stream has a piece for every token. It wants a running loop.
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._load.connect_seconds),
                headers={"Accept-Encoding": "identity", "Content-Type": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._opened

    async def _enter(self, path: str, body: Mapping[str, Any], tally: Tally, base: str | None) -> Call:
        with contextlib.ExitStack() as leaving:
            if self._bases and base is not None:
                # Before it takes a place: a crowd that waits for one base must not stand in the way of the others.
                place = await self._bases.attend(base)
                leaving.callback(self._bases.leave, base)
                path, body = place.direct(path, body)
            leaving.callback((await self.admission.enter(tally.project_id)).leave)
            held = leaving.pop_all()
        tally.admitted()
        operation = _OPERATIONS.get(path.rpartition("/v1/")[2], "chat")
        asked = {"gen_ai.operation.name": operation, "gen_ai.request.model": tally.model}
        span = self._tracer.start(f"{operation} {tally.model}", kind="client", attributes=asked)
        return Call(path, body, held, span, tally)

    @contextlib.asynccontextmanager
    async def _in_time(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise _slow(f"did not answer within {seconds:g} s") from error

    async def _answered(self, call: Call, read: Callable[[aiohttp.ClientResponse], Awaitable[_T]]) -> _T:
        """Send until something of the answer has come; what `read` leaves open is its caller's to close."""
        for times in range(1, self._load.tries):
            try:
                return await read(await self._send(call))
            except LostError:
                await asyncio.sleep(_PAUSE_SECONDS * times)
        return await read(await self._send(call))

    async def _send(self, call: Call) -> aiohttp.ClientResponse:
        # Ray Serve and vLLM take this id for their own, so that the lines of their logs can be found by it. It is new
        # at every try: clients choose ids too, and may choose one twice, which the engine could not tell apart.
        request_id = f"{call.request_id}-{secrets.token_hex(4)}"
        headers = {**self._tracer.headers(call.span), "x-request-id": request_id}
        if key := prefix_key(call.body):
            headers[KEY_HEADER] = key
        raw = json.dumps(call.body, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            response = await self._connected(call.path, raw, headers)
        except aiohttp.ClientError as error:
            raise _transport_error(error) from error
        if response.status != 200:
            try:
                raise _as_error(response.status, await _reading(response))
            finally:
                response.close()
        return response

    async def _connected(self, path: str, raw: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        if replica := self._replicas.choose(path):
            try:
                return await self._post(f"{replica}{path}", raw, headers)
            except _NO_CONNECTION:
                self._replicas.forget(replica)  # Serve's proxy knows where else
        return await self._post(urljoin(self._serve_url, path), raw, headers)

    async def _post(self, url: str, raw: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        return await self._client.post(url, data=raw, headers=headers, allow_redirects=False)


class Call:
    """One request in the data plane: what it holds there, and its span.

    Args:
        path: route, or whole address.
        body: JSON to send.
        held: left at the end.
        span: ended with it.
        tally: knows the tokens by then.
    """

    def __init__(
        self, path: str, body: Mapping[str, Any], held: contextlib.ExitStack, span: Span, tally: Tally
    ) -> None:
        self.path = path
        self.body = body
        self._held = held
        self.span = span
        self._tally = tally

    @property
    def request_id(self) -> str:
        """The id that the client gets back."""
        return self._tally.request_id

    def fail(self, error: BaseException) -> None:
        """Mark it as failed.

        Args:
            error: why.
        """
        code = (error.code or error.type) if isinstance(error, PlatformError) else type(error).__name__
        self.span.fail(code)

    def end(self) -> None:
        """Give the place back and end the span."""
        self._held.close()
        read, written = self._tally.tokens
        self.span.note({"gen_ai.usage.input_tokens": read, "gen_ai.usage.output_tokens": written})
        self.span.end()


class EventSource:
    """Server-sent events of one answer, as they come.

    Args:
        response: an open response.
        first: the piece that has come.
        call: what the answer holds of the data plane; ended when the source is closed.
        load: how long the next event, and all of them, may take.
    """

    def __init__(self, response: aiohttp.ClientResponse, first: bytes, call: Call, load: LoadConfig) -> None:
        self._response = response
        self._first = first
        self._call = call
        self._load = load

    async def events(self) -> AsyncIterator[list[bytes]]:
        """The events, each as soon as it is whole; where several have come meanwhile, all of them at once.

        Yields:
            Lines of one event or more, each without the blank line after it.

        Raises:
            UnavailableError: the connection broke.
            SlowError: the next piece, or the last one, did not come in time.
        """
        pending = b""
        async for piece in self._pieces():
            *whole, pending = (pending + piece).replace(b"\r\n", b"\n").split(b"\n\n")
            if whole:
                yield whole
        if pending.strip():
            yield [pending]

    async def _pieces(self) -> AsyncIterator[bytes]:
        yield self._first
        clock = asyncio.get_running_loop().time
        last, patience = clock() + self._load.total_seconds, self._load.idle_seconds
        while True:
            due = min(clock() + patience, last)
            try:
                async with asyncio.timeout_at(due):
                    piece = await self._response.content.readany()
            except TimeoutError as error:
                told = (
                    f"said nothing for {patience:g} s" if due < last else "took too long for the whole answer"
                )
                raise _slow(told) from error
            except aiohttp.ClientError as error:
                raise _transport_error(error) from error
            if not piece:
                return
            yield piece

    async def close(self) -> None:
        """Close the connection, unless the answer is whole; one that is still being made is given up."""
        self._call.end()
        self._response.close()


async def _read_whole(response: aiohttp.ClientResponse) -> bytes:
    async with response:
        return await _reading(response)


async def _read_first(response: aiohttp.ClientResponse) -> tuple[aiohttp.ClientResponse, bytes]:
    with contextlib.ExitStack() as closing:
        closing.callback(response.close)
        try:
            first = await response.content.readany()
            # Only what may be a fault is waited for until it is whole: it may have come in pieces.
            while _FAULT.startswith(first[: len(_FAULT)]) and b"\n\n" not in first:
                if not (piece := await response.content.readany()):
                    break
                first += piece
        except aiohttp.ClientError as error:
            raise _transport_error(error) from error
        if not first:
            raise _lost()
        if first.startswith(_FAULT):
            raise _told_first(first)
        closing.pop_all()
    return response, first


async def _reading(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.read()
    except aiohttp.ClientError as error:
        raise _transport_error(error) from error


def _slow(what: str) -> SlowError:
    return SlowError(f"The engine {what}. Ask for fewer tokens, or try again.")


def _transport_error(error: aiohttp.ClientError) -> PlatformError:
    if isinstance(error, _NO_CONNECTION):
        return UnavailableError(
            "The engine does not answer. It may be starting: GET /readyz says. Try again."
        )
    return _lost()


def _lost() -> LostError:
    return LostError("The engine went away while it answered. It is being started again: try again.")


def _as_error(status: int, raw: bytes) -> PlatformError:
    try:
        error = json.loads(raw)["error"]
    except (ValueError, TypeError, KeyError):
        error = None
    if status < 500 and isinstance(error, Mapping):
        return _refused(status, error)
    if status == 503 and _overloaded(raw, error):
        return OverloadedError("The engine has as much to do as it can hold. Try again in a moment.")
    if status in (500, 502):
        return LostError("The engine failed. If the same request fails again, its log holds the reason.")
    # Bodies of 5xx carry internal exceptions; a 404 that is not ours is Ray Serve without the application.
    return UnavailableError("The engine failed or is not deployed (yet): GET /readyz says. Try again.")


def _overloaded(raw: bytes, error: object) -> bool:
    if isinstance(error, Mapping):
        return error.get("code") == OverloadedError.default_code
    return b"backpressure" in raw  # the words of Ray Serve's proxy before a queue that is full


def _told_first(events: bytes) -> PlatformError:
    """An error in place of the first event: no status has been sent on, so it is what its status would have been."""
    payload = events.partition(b"\n\n")[0].removeprefix(b"data:")
    try:
        return _as_error(_status(json.loads(payload)["error"]), payload)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _lost()


def in_stream_error(error: Mapping[str, Any]) -> PlatformError:
    """Put an error that came inside a stream into our own words.

    Args:
        error: the `error` object of the event.

    Returns:
        The error to tell.
    """
    status = _status(error)
    if status < 500:
        return _refused(status, error)
    if error.get("code") == OverloadedError.default_code:
        return OverloadedError("The engine has as much to do as it can hold. Try again in a moment.")
    return UnavailableError("The engine failed while it answered. Try again.")


def _status(error: Mapping[str, Any]) -> int:
    """The HTTP status of an error in a stream: vLLM's own code is one; the OpenAI form says it by its kind."""
    code = str(error.get("code"))
    if code.isdecimal() and 400 <= int(code) < 600:
        return int(code)
    if code == OverloadedError.default_code:
        return OverloadedError.http_status
    return 400 if error.get("type") in ("invalid_request_error", "BadRequestError") else 500


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
