"""POST /v1/feedback: a thumb, a correction, a comment on an answer that was kept."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object
from tunesmith.stores.database import Database
from tunesmith.stores.feedback import Feedback, FeedbackStore
from tunesmith.stores.keys import ApiKey


class FeedbackFields(BaseModel):
    """What is said of an answer."""

    model_config = ConfigDict(extra="forbid")
    interaction_id: str = Field(min_length=1)
    """Id of the answer: `chatcmpl-...`."""
    rating: Literal["up", "down"]
    """Thumb up or down."""
    correction: str | None = Field(None, min_length=1, max_length=100_000)
    """What the answer should have been, in the form in which the model shall say it."""
    comment: str | None = Field(None, max_length=10_000)
    """Anything else."""


def feedback_routes(*, authenticate: Authenticator, database: Database) -> APIRouter:
    """The feedback resource.

    Args:
        authenticate: who calls.
        database: keeps the answers and what is said of them.

    Returns:
        Its routes.
    """
    router = APIRouter()

    @router.post("/v1/feedback")
    async def give_feedback(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("use")),  # noqa: B008
    ) -> dict[str, Any]:
        fields = check_fields(await read_object(request), FeedbackFields)
        given = await run_in_threadpool(
            FeedbackStore(database, key.project_id).give,
            fields.interaction_id,
            fields.rating,
            correction=fields.correction,
            comment=fields.comment,
            key_id=key.id,
        )
        return feedback_object(given)

    return router


def feedback_object(feedback: Feedback) -> dict[str, Any]:
    """Feedback as the API shows it.

    Args:
        feedback: what was said.

    Returns:
        The JSON object.
    """
    return {
        "object": "feedback",
        "id": feedback.id,
        "interaction_id": feedback.interaction_id,
        "created_at": feedback.created_at,
        "rating": feedback.rating,
        "correction": feedback.correction,
        "comment": feedback.comment,
    }
