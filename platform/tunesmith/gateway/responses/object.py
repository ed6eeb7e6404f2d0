"""The response object of `/v1/responses`, apart from its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.errors import PlatformError
from tunesmith.gateway.responses.items import Item
from tunesmith.gateway.responses.request import SEARCH_RESULTS, ResponseFields
from tunesmith.gateway.served import without_nulls


def response_head(fields: ResponseFields, *, response_id: str, model: str, created_at: int) -> dict[str, Any]:
    """A response that has just begun: what was asked, and nothing answered yet.

    Args:
        fields: the request.
        response_id: its id.
        model: what answers, by its own name.
        created_at: Unix seconds.

    Returns:
        The response object with every key that the OpenAI schema requires, in progress.
    """
    # The specification has no null for the user, nor for the usage, which comes at the end.
    user = {"user": fields.user} if fields.user is not None else {}
    return user | {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": fields.instructions,
        "max_output_tokens": fields.max_output_tokens,
        "max_tool_calls": fields.max_tool_calls,
        "metadata": fields.metadata,
        "model": model,
        "output": [],
        "parallel_tool_calls": fields.parallel_tool_calls,
        "previous_response_id": fields.previous_response_id,
        "prompt_cache_key": fields.prompt_cache_key,
        "reasoning": {"effort": fields.reasoning.effort, "summary": None},
        "safety_identifier": fields.safety_identifier,
        "service_tier": "default",
        "store": fields.store,
        "temperature": fields.temperature,
        "text": {"format": fields.text.format.model_dump(by_alias=True, exclude_none=True)},
        "tool_choice": fields.tool_choice,
        "tools": [_tool(tool) for tool in fields.tools],
        "top_logprobs": fields.top_logprobs,
        "top_p": fields.top_p,
        "truncation": "disabled",
    }


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    required = {"parameters": None, "strict": None} if tool["type"] == "function" else {}
    return required | without_nulls(tool)


def response_end(finish_reason: str, *, finished_at: int) -> dict[str, Any]:
    """How a response ended.

    Args:
        finish_reason: of the chat completion.
        finished_at: Unix seconds.

    Returns:
        The fields of the response object that say so.
    """
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish_reason)
    if reason is None:
        return {"status": "completed", "completed_at": finished_at}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


def response_failure(error: PlatformError) -> dict[str, Any]:
    """How a response failed.

    Args:
        error: what went wrong.

    Returns:
        The fields of the response object that say so; its codes are a closed list of the OpenAI API's.
    """
    code = "invalid_prompt" if error.http_status < 500 else "server_error"
    return {"status": "failed", "error": {"code": code, "message": error.message}}


def usage_object(usage: Mapping[str, Any] | None) -> dict[str, Any]:
    """Tokens, as this resource counts them.

    Args:
        usage: of the chat completion.

    Returns:
        The JSON object.
    """
    counts = usage or {}
    details = counts.get("prompt_tokens_details") or {}
    told = counts.get("completion_tokens_details") or {}
    return {
        "input_tokens": counts.get("prompt_tokens") or 0,
        "input_tokens_details": {"cached_tokens": details.get("cached_tokens") or 0, "cache_write_tokens": 0},
        "output_tokens": counts.get("completion_tokens") or 0,
        "output_tokens_details": {"reasoning_tokens": told.get("reasoning_tokens") or 0},
        "total_tokens": counts.get("total_tokens") or 0,
    }


def shown(item: Item, include: Sequence[str]) -> Item:
    """An item as it is shown: what a search found only where it was asked for.

    Args:
        item: an item of a response, whole.
        include: what was asked for.

    Returns:
        The item.
    """
    if item["type"] != "file_search_call" or SEARCH_RESULTS in include:
        return item
    return item | {"results": None}


def shown_response(response: Mapping[str, Any], include: Sequence[str]) -> dict[str, Any]:
    """A response as it is shown.

    Args:
        response: a response object, whole.
        include: what was asked for.

    Returns:
        The response object.
    """
    return {**response, "output": [shown(item, include) for item in response["output"]]}
