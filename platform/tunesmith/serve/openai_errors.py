"""Errors of the data plane in OpenAI form: `code` a string or null, nothing of the inside in the message."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.errors import ConfigError, PlatformError

_EVENT = b'data: {"error"'
_NEEDS_A_PARSER = "--tool-call-parser"
_NO_PARSER = (
    "The engine has no parser for the calls that this model writes, which it needs where the model may choose "
    "(tool_choice='auto', and where it is left out). Start the platform with engine.tool_call_parser, the name of "
    "vLLM's parser that fits the model (hermes, llama3_json, mistral, ...), or send tool_choice='required', a "
    "function's name, or 'none'."
)
_INSIDE = re.compile(r" \(parameter=.*\)$| Valid aliases: .*$", re.DOTALL)


def platform_error_body(error: PlatformError) -> dict[str, Any]:
    """Render a platform error.

    Args:
        error: what went wrong.

    Returns:
        `{"error": {"message", "type", "param", "code"}}`.
    """
    fault = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return {"error": fault}


async def platform_error_response(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that ended in a platform error; a Starlette exception handler.

    Args:
        error: a PlatformError.

    Returns:
        The error body with its HTTP status.
    """
    assert isinstance(error, PlatformError)
    return JSONResponse(platform_error_body(error), status_code=error.http_status)


def engine_error_body(fault: Mapping[str, Any], *, status: int) -> dict[str, Any]:
    """Turn an error of vLLM into the OpenAI form.

    Args:
        fault: vLLM's `error` object; its `code` repeats the status as a number.
        status: HTTP status.

    Returns:
        `{"error": {"message", "type", "param", "code"}}`; a server error says no more than that it was one.
    """
    if status >= 500:
        message = "The engine failed on this request. Try again; the replica's log holds the reason."
        return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}
    if _NEEDS_A_PARSER in str(fault.get("message")):  # a flag of vLLM, which nobody here can set
        refused = ConfigError(_NO_PARSER, param="tool_choice", code="unsupported_parameter")
        return platform_error_body(refused)
    # vLLM adds its own names of the value at fault, and of the models that this replica has loaded.
    message = _INSIDE.sub("", str(fault.get("message") or "The request was refused."))
    param = fault.get("param")
    body = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    if status == 404 and param == "model":
        body["code"] = "model_not_found"
    elif "context length" in message:
        body["code"] = "context_length_exceeded"
    return {"error": body}


def validation_error_body(faults: Sequence[Any]) -> dict[str, Any]:
    """Say the first fault of a request body that pydantic refused.

    Args:
        faults: pydantic's `errors()`.

    Returns:
        `{"error": {"message", "type", "param", "code"}}`.
    """
    first = faults[0]
    # Pydantic puts names of its own between the fields: `function-wrap[...]`, the branches of a union.
    own = {"body", "str", "int", "float", "bool", "list", "dict"}
    names = [str(part) for part in first["loc"] if isinstance(part, int) or str(part).isidentifier()]
    param = ".".join(name for name in names if name not in own) or None
    message = str(first["msg"]).removeprefix("Value error, ")
    text = f"{param}: {message}" if param else message
    return {"error": {"message": text, "type": "invalid_request_error", "param": param, "code": None}}


async def validation_error_response(_: Request, error: Exception) -> JSONResponse:
    """Answer a request whose body pydantic refused; a Starlette exception handler.

    Args:
        error: a RequestValidationError.

    Returns:
        The error body with status 400.
    """
    faults: Sequence[Any] = error.errors()  # type: ignore[attr-defined]
    return JSONResponse(validation_error_body(faults), status_code=400)


class OpenAIErrors:
    """ASGI middleware around vLLM: rewrites what it answers with a status of 400 or more, and error events.

    Args:
        app: vLLM's application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, _ErrorRewriter(send) if scope["type"] == "http" else send)


class _ErrorRewriter:
    """Stands for `send` during one request; holds its start back until it is known whether an error follows.

    An error is known with its whole body, a stream by its first event: vLLM says 200 before it looks at most of a
    request, and has an event left to refuse it with. Nothing has been sent on by then, so it still gets its status.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""
        self._refused = False

    async def __call__(self, message: Message) -> None:
        if self._refused:
            return  # what vLLM says behind an error: that the stream has ended
        if message["type"] == "http.response.start":
            self._start = message
        elif self._start is None:
            await self._send(_rewrite_event(message))
        elif self._start["status"] >= 400:
            await self._collect(self._start, message)
        elif message.get("body", b"").startswith(_EVENT):
            status, body = refusal(message["body"].decode())
            await self._refuse(self._start, json.dumps(body).encode(), status)
        else:
            await self._send(self._start)
            self._start = None
            await self._send(message)

    async def _collect(self, start: Message, message: Message) -> None:
        self._body += message.get("body", b"")
        if not message.get("more_body"):
            await self._refuse(start, _rewrite_body(self._body, start["status"]), start["status"])

    async def _refuse(self, start: Message, body: bytes, status: int) -> None:
        self._refused = True
        headers = MutableHeaders(raw=start["headers"])
        headers["content-length"] = str(len(body))
        headers["content-type"] = "application/json"
        await self._send({**start, "status": status, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def _rewrite_event(message: Message) -> Message:
    body: bytes = message.get("body", b"")
    if not body.startswith(_EVENT):
        return message
    event, rest = body.split(b"\n\n", 1)
    return {**message, "body": rewrite_error_event(event.decode()).encode() + rest}


def is_error_event(event: str) -> bool:
    """Whether an event tells an error.

    Args:
        event: of one of vLLM's streams.

    Returns:
        Whether it does.
    """
    return event.startswith(_EVENT.decode())


def refusal(event: str) -> tuple[int, dict[str, Any]]:
    """Read vLLM's error event of a stream.

    Args:
        event: `data: {"error": {...}}`, and what may stand behind it.

    Returns:
        The HTTP status that it means, and the error in OpenAI form.
    """
    fault = json.loads(event.partition("\n\n")[0].removeprefix("data: "))["error"]
    status = int(fault["code"])
    return status, engine_error_body(fault, status=status)


def rewrite_error_event(event: str) -> str:
    """Rewrite vLLM's error event of a stream.

    Args:
        event: `data: {"error": {...}}`.

    Returns:
        The event in OpenAI form, with its blank line.
    """
    return f"data: {json.dumps(refusal(event)[1])}\n\n"


def _rewrite_body(body: bytes, status: int) -> bytes:
    try:
        content = json.loads(body)
        fault = content["error"]
    except (ValueError, KeyError, TypeError):
        fault = {}
    if isinstance(fault, Mapping) and not isinstance(fault.get("code"), int) and "message" in fault:
        return body  # it has the OpenAI form already
    return json.dumps(engine_error_body(fault, status=status)).encode()
