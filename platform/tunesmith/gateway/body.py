"""Request bodies: bounded JSON objects, checked; and work that is dropped when its client goes away."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Coroutine, Mapping
from typing import Any, Never, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from tunesmith.errors import ClientGoneError, ConfigError, TooLargeError

MAX_BODY_BYTES = 16 * 2**20

_LARGEST_WHOLE = 2**53
"""Above it a float no longer says which whole number was meant."""

Model = TypeVar("Model", bound=BaseModel)
Result = TypeVar("Result")


async def read_object(request: Request) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        request: the request.

    Returns:
        Its body.

    Raises:
        ConfigError: not JSON, or not an object.
        TooLargeError: longer than `MAX_BODY_BYTES`.
    """
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > MAX_BODY_BYTES:
            raise TooLargeError(
                f"The request body is larger than {MAX_BODY_BYTES} bytes. Send less at a time."
            )
    try:
        body = json.loads(raw, parse_constant=_refuse_constant, parse_float=_number)
        # Half of a surrogate pair can be written in JSON, but no text holds one: it could not be sent on.
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"We could not parse the JSON body of your request: {error}.", code="invalid_json"
        ) from error
    if not isinstance(body, dict):
        raise ConfigError(
            f"The body must be a JSON object, this is a {type(body).__name__}.", code="invalid_json"
        )
    return body


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON; use null")


def _number(text: str) -> float | int:
    """JSON knows numbers, not kinds of them: 20.0 is the whole number 20."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is larger than any number that can be sent on")
    return int(number) if number.is_integer() and abs(number) <= _LARGEST_WHOLE else number


BLANK = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Control characters and spaces, to stand in the brackets of a pattern that JSON Schema and Python read alike."""


def either(one: str, other: str) -> dict[str, Any]:
    """Say in a JSON schema what a validator checks: that one of two fields is there and not null, and not both.

    Args:
        one: a field.
        other: another one.

    Returns:
        What stands in the schema besides.
    """
    there = [
        {"properties": {name: {"not": {"type": "null"}}, left: {"type": "null"}}, "required": [name]}
        for name, left in ((one, other), (other, one))
    ]
    return {"anyOf": there}


def check_fields(
    body: Mapping[str, Any], model: type[Model], *, within: str = "", strict: bool = True
) -> Model:
    """Check a body against a model.

    Args:
        body: the request's fields.
        model: what they must be.
        within: where the fields stand, if not at the top: `input[0].`.
        strict: whether values must be of the very type, as in JSON; a query and a form hold nothing but texts.

    Returns:
        The typed fields.

    Raises:
        ConfigError: says the first fault in full and names its field.
    """
    try:
        return model.model_validate(body, strict=strict)
    except ValidationError as error:
        fault = error.errors()[0]
        path = within + ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "missing":
            message = f"Missing required parameter: '{path}'."
        elif fault["type"] == "extra_forbidden":
            message = f"Unknown parameter: '{path}'."
        else:
            message = f"Invalid value for '{path}': {fault['msg'].removeprefix('Value error, ')}."
        raise ConfigError(message, param=path or None, code=_code(fault["type"])) from None


def _code(fault: str) -> str:
    known = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}
    return known.get(fault, "invalid_value")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Do some work for a client, and drop it when the client goes away.

    Args:
        request: the request; its body has been read.
        work: what to do.

    Returns:
        The work's result.

    Raises:
        ClientGoneError: the client closed the connection first; the work was cancelled.
    """
    task, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGoneError("The client closed the connection.")
    finally:
        for unfinished in (task, gone):
            unfinished.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
