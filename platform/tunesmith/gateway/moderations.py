"""POST /v1/moderations: there is no model that could do it, and a made-up verdict would be worse than none."""

from __future__ import annotations

from typing import NoReturn

from fastapi import APIRouter, Depends

from tunesmith.errors import ModelNotFoundError
from tunesmith.gateway.auth import Authenticator
from tunesmith.stores.keys import ApiKey


def moderation_routes(*, authenticate: Authenticator) -> APIRouter:
    """The moderations resource.

    Args:
        authenticate: who calls.

    Returns:
        Its route.
    """
    router = APIRouter()

    @router.post("/v1/moderations", response_model=None)
    async def create_moderation(_key: ApiKey = Depends(authenticate.needs("use"))) -> NoReturn:  # noqa: B008
        raise ModelNotFoundError(
            "No model served here can moderate content. Ask a chat model to judge the text, with a JSON schema for its "
            "verdict, or send this request to another service.",
            param="model",
        )

    return router
