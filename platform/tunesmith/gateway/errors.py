"""The one place where an error becomes an OpenAI error body."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from tunesmith.errors import PlatformError
from tunesmith.gateway.request_record import record_of
from tunesmith.gateway.unserved_routes import way_out_of
from tunesmith.telemetry.logs import hide_secrets

LOG = logging.getLogger("tunesmith.gateway")
"""The gateway's log."""

RETRY_AFTER_SECONDS = 2
_NO_IDS = ("/v1/responses/compact", "/v1/responses/input_tokens")
"""Routes of the OpenAI API that would pass for a thing's id: nothing is there, whatever the method."""


def error_body(
    message: str, *, type: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """An error as the OpenAI API says it: all four keys, null where there is nothing to say.

    Messages repeat what was sent. A key that stood in the wrong place is not: clients write errors into their logs.

    Args:
        message: for a person.
        type: kind of error.
        param: field of the request at fault.
        code: reason for a program.

    Returns:
        The JSON body.
    """
    return {
        "error": {
            "message": hide_secrets(message),
            "type": type,
            "param": param and hide_secrets(param),
            "code": code,
        }
    }


def platform_error_body(error: PlatformError) -> dict[str, Any]:
    """The body of one of our own errors.

    Args:
        error: what was raised.

    Returns:
        The JSON body.
    """
    return error_body(error.message, type=error.type, param=error.param, code=error.code)


def install_error_handlers(app: FastAPI) -> None:
    """Teach an app to answer every error with an OpenAI error body.

    Args:
        app: the app; changed in place.
    """
    app.add_exception_handler(PlatformError, _platform_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected_error)


def platform_error_response(error: PlatformError) -> JSONResponse:
    """The answer to a request that ends in one of our own errors.

    Args:
        error: what was raised.

    Returns:
        Status, headers and body.
    """
    return JSONResponse(platform_error_body(error), error.http_status, _headers(error))


async def _platform_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PlatformError)
    record_of(request).error_code = error.code or error.type
    return platform_error_response(error)


def _headers(error: PlatformError) -> Mapping[str, str]:
    if error.http_status == 401:
        return {"WWW-Authenticate": "Bearer"}
    if error.http_status in (409, 507) or error.type == "insufficient_quota":
        # The official clients retry these, but what is contradicted, or full, will be so in a second.
        return {"x-should-retry": "false"}
    if error.retry_after_seconds is not None:
        return {"Retry-After": str(error.retry_after_seconds)}
    return {}


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        return _no_route(request, error.status_code)
    record_of(request).error_code = str(error.status_code)
    body = error_body(str(error.detail), type="invalid_request_error")
    return JSONResponse(body, error.status_code, error.headers)


def _no_route(request: Request, status: int) -> JSONResponse:
    method, path = request.method, request.url.path
    if way_out := way_out_of(method, path):
        message = f"{method} {path} is not served here. {way_out}"
        status = 404 if path in _NO_IDS else status
    elif status == 404:
        message = f"Unknown request URL: {method} {path}. Check the path and the base URL."
    else:
        message = f"{path} does not take {method}."
    code = "unknown_url" if status == 404 else "method_not_allowed"
    record_of(request).error_code = code
    headers = {} if status == 404 else {"Allow": _allowed(request)}
    return JSONResponse(error_body(message, type="invalid_request_error", code=code), status, headers)


def _allowed(request: Request) -> str:
    """What a path takes: the framework names the methods of the first route that fits it, and there may be more."""
    fitting = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    return ", ".join(sorted({method for route in fitting for method in route.methods or ()}))


async def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    # What a traceback says is nobody's business but the operator's.
    record = record_of(request)
    record.error_code, request_id = "internal_error", record.request_id
    LOG.error("request %s failed", request_id, exc_info=error)
    message = f"The gateway failed on this request. Its log says more, under request id {request_id}."
    return JSONResponse(error_body(message, type="server_error", code="internal_error"), 500)
