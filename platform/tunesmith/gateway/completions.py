"""POST /v1/completions: a prompt as it stands, gone on with by the engine; no turns, no retrieval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator
from starlette.concurrency import run_in_threadpool

from tunesmith.errors import ConfigError
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.body import check_fields, read_object, while_connected
from tunesmith.gateway.metrics import Metrics
from tunesmith.gateway.names import NamedModel, Names
from tunesmith.gateway.request_record import record_of
from tunesmith.gateway.served import Unserved, complete_usage, served_fields, without_nulls
from tunesmith.gateway.stream import EventStreamResponse, relay
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.keys import ApiKey

_ENGINE = "/engine/v1/completions"
_UNSERVED = {"best_of": Unserved("Send n, and choose among the answers by their logprobs.", (0, 1))}


_TEXT = {"type": "string", "minLength": 1}
_PROMPT = {
    "anyOf": [
        _TEXT,
        {"type": "array", "items": _TEXT, "minItems": 1},
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
        {
            "type": "array",
            "items": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
            "minItems": 1,
        },
    ]
}


class CompletionFields(BaseModel):
    """The fields that the gateway itself needs; all others go to the engine as they are."""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(min_length=1)
    """Base, version, or an alias of one."""
    prompt: Annotated[str | list[Any], WithJsonSchema(_PROMPT)]
    """One prompt or several, as text or as token ids."""
    stream: bool = False
    """Server-sent events instead of one JSON."""
    stream_options: dict[str, Any] = {}
    """`include_usage`."""

    @field_validator("prompt", mode="before")
    @classmethod
    def _is_prompt(cls, value: Any) -> Any:
        prompts = value if isinstance(value, list) else [value]
        kinds = {type(prompt) for prompt in prompts}
        if kinds not in ({str}, {int}, {list}) or any(prompt in ("", []) for prompt in prompts):
            raise ValueError("must be a text, a list of texts, or token ids, and not be empty")
        return value


def completion_routes(
    *, authenticate: Authenticator, names: Names, upstream: Upstream, metrics: Metrics
) -> APIRouter:
    """The completions resource.

    Args:
        authenticate: who calls.
        names: resolves model names.
        upstream: the data plane.
        metrics: where tokens and times are counted.

    Returns:
        Its route.
    """
    router = APIRouter()

    @router.post("/v1/completions")
    async def create_completion(
        request: Request,
        key: ApiKey = Depends(authenticate.needs("use", limited=True)),  # noqa: B008
    ) -> Response:
        body = served_fields(await read_object(request), _UNSERVED)
        fields = check_fields(body, CompletionFields)
        model = await run_in_threadpool(names.resolve, key.project_id, fields.model)
        _check_plain(model)
        sent, tally = body | {"model": model.model}, metrics.tally(record_of(request), model.model)
        if fields.stream:
            sent["stream_options"] = {**fields.stream_options, "include_usage": True}
            source = await while_connected(
                request, upstream.open_stream(_ENGINE, sent, tally=tally, base=model.base)
            )
            usage_wanted = bool(fields.stream_options.get("include_usage"))
            return EventStreamResponse(source, relay(source, tally=tally, usage_wanted=usage_wanted))
        answer = await while_connected(request, upstream.post(_ENGINE, sent, tally=tally, base=model.base))
        return JSONResponse(complete_completion(answer))

    return router


def _check_plain(model: NamedModel) -> None:
    bound = "vector stores" if model.stores else "instructions" if model.instructions is not None else None
    if bound:
        raise ConfigError(
            f"The alias '{model.name}' binds {bound}, and a text completion has no place for them. Use "
            f"/v1/chat/completions or /v1/responses, or name the model behind it: {model.model}.",
            param="model",
            code="unsupported_model",
        )


def complete_completion(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a text completion into the OpenAI schema: it requires some nulls and forbids those of vLLM.

    Args:
        answer: a text completion of the engine.

    Returns:
        The same with `logprobs` and `finish_reason` in every choice, and no other null.
    """
    choices = [
        {"logprobs": None, "finish_reason": "stop"} | without_nulls(choice) for choice in answer["choices"]
    ]
    return without_nulls(answer) | {"choices": choices, "usage": complete_usage(answer["usage"])}
