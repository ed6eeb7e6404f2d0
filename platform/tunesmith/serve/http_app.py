"""The FastAPI application of a deployment that is our own: errors in OpenAI form, once; a health route."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tunesmith.errors import PlatformError
from tunesmith.serve.openai_errors import (
    platform_error_body,
    platform_error_response,
    validation_error_response,
)

LOG = logging.getLogger("ray.serve")
"""The log of a replica."""


def create_app(title: str) -> FastAPI:
    """Make an application without routes but `GET /health`.

    Args:
        title: what it is.

    Returns:
        The application; every failure in it is answered with an OpenAI error body.
    """
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(PlatformError, platform_error_response)
    app.add_exception_handler(RequestValidationError, validation_error_response)
    app.add_exception_handler(HTTPException, _http_error_response)
    app.add_exception_handler(Exception, _unexpected_error_response)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


async def _http_error_response(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    fault = {"message": error.detail, "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": fault}, status_code=error.status_code)


def failure_body(error: Exception) -> dict[str, Any]:
    """Render any error; what is not a platform error stays in the log.

    Args:
        error: what went wrong.

    Returns:
        `{"error": {"message", "type", "param", "code"}}`.
    """
    if isinstance(error, PlatformError):
        return platform_error_body(error)
    message = "The data plane failed on this request. Try again; the replica's log holds the reason."
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}


async def _unexpected_error_response(_: Request, error: Exception) -> JSONResponse:
    LOG.error("A request failed.", exc_info=error)
    return JSONResponse(failure_body(error), status_code=500)
