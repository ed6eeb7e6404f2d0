"""A request of `/v1/responses`, and the chat request that answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from tunesmith.errors import ConfigError, PlatformError
from tunesmith.gateway.responses.items import to_messages
from tunesmith.gateway.responses.schemas import (
    FORMAT_SCHEMA,
    INPUT_SCHEMA,
    REQUEST_SCHEMA,
    TOOL_CHOICE_SCHEMA,
    TOOLS_SCHEMA,
)
from tunesmith.gateway.served import Unserved

SEARCH_RESULTS = "file_search_call.results"
"""Asks for what a search found."""
LOGPROBS = "message.output_text.logprobs"
"""Asks for the log probability of every token."""

Include = Literal[
    "file_search_call.results",
    "message.output_text.logprobs",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "message.input_image.image_url",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
]
"""What a response may be asked to show; all but the first two speak of items that never come up here."""

UNSERVED = {
    "background": Unserved("Send it with stream=true, or wait for the answer."),
    "context_management": Unserved("Send fewer turns."),
    "conversation": Unserved("Send previous_response_id, or the turns themselves."),
    "moderation": Unserved("Leave it out."),
    "prompt": Unserved("Send instructions and input; an alias keeps instructions under a stable name."),
    "truncation": Unserved("Send fewer turns: none is left out silently.", ("disabled",)),
}
"""Fields of the OpenAI API that this route has nothing for."""

_CHAT_NAMES = {
    "max_completion_tokens": "max_output_tokens",
    "messages": "input",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "vector_stores": "tools",
}
"""Fields of a chat request, and what this resource calls them."""


class TextFormat(BaseModel):
    """What the answer's text must look like."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, json_schema_extra=FORMAT_SCHEMA)
    type: Literal["text", "json_object", "json_schema"] = "text"
    """Free text, any JSON object, or JSON of one schema."""
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of the schema."""
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    """The schema."""
    description: str | None = None
    """What the format is for."""
    strict: bool | None = None
    """The engine always keeps to the schema."""


class TextOptions(BaseModel):
    """How the answer is written."""

    model_config = ConfigDict(extra="forbid")
    format: TextFormat = TextFormat()
    """Free text or JSON."""
    verbosity: Literal["medium"] | None = None
    """The engine has no such setting."""


class Reasoning(BaseModel):
    """For models that reason."""

    model_config = ConfigDict(extra="ignore")
    effort: str | None = None
    """Handed to the model's chat template."""


Metadata = dict[
    Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]
]


class ResponseFields(BaseModel):
    """A request; a field that is not here is refused."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=REQUEST_SCHEMA)
    model: str = Field(min_length=1)
    """Base, version or alias."""
    input: Annotated[str | list[dict[str, Any]], WithJsonSchema(INPUT_SCHEMA)] = Field(min_length=1)
    """A question, or items."""
    instructions: str | None = None
    """System turn of this request alone."""
    previous_response_id: str | None = None
    """The stored response that this one goes on from."""
    max_output_tokens: int | None = Field(None, ge=1)
    """Longest answer."""
    temperature: float | None = Field(None, ge=0, le=2)
    """Sampling temperature."""
    top_p: float | None = Field(None, ge=0, le=1)
    """Nucleus sampling."""
    top_logprobs: int | None = Field(None, ge=0, le=20)
    """Most likely tokens shown at each place, with their log probability."""
    text: TextOptions = TextOptions()
    """How the answer is written."""
    tools: Annotated[list[dict[str, Any]], WithJsonSchema(TOOLS_SCHEMA)] = []
    """`file_search` is run by the platform, `function` by the program."""
    tool_choice: Annotated[
        Literal["none", "auto", "required"] | dict[str, Any], WithJsonSchema(TOOL_CHOICE_SCHEMA)
    ] = "auto"
    """Which tools may or must be called."""
    parallel_tool_calls: bool = True
    """Several calls in one answer."""
    max_tool_calls: int | None = Field(None, ge=1)
    """A request searches once, so that any bound holds."""
    store: bool = True
    """Whether the response is kept."""
    stream: bool = False
    """Server-sent events instead of one JSON."""
    stream_options: dict[str, Any] | None = None
    """Without effect: nothing is obfuscated."""
    include: list[Include] = []
    """What else to show."""
    metadata: Metadata = Field({}, max_length=16)
    """Kept with the response."""
    reasoning: Reasoning = Reasoning()
    """For models that reason."""
    service_tier: str | None = None
    """There is one tier."""
    user: str | None = None
    """Kept with the response."""
    safety_identifier: str | None = Field(None, max_length=64)
    """Kept with the response."""
    prompt_cache_key: str | None = None
    """Kept with the response."""
    prompt_cache_retention: str | None = None
    """Without effect: the engine's prefix cache needs no advice."""
    prompt_cache_options: dict[str, Any] | None = None
    """Without effect, too."""


def chat_body(fields: ResponseFields, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say a request as a chat request.

    Args:
        fields: the request.
        items: the whole conversation: the turns before it, then its own input.

    Returns:
        An OpenAI chat request, with the platform's own extension where it is streamed.

    Raises:
        ConfigError: a tool, or the choice of one, is not served.
    """
    messages = to_messages(items)
    if fields.instructions is not None:
        messages = [{"role": "system", "content": fields.instructions}, *messages]
    body = {
        "model": fields.model,
        "messages": messages,
        "stream": fields.stream,
        "retrieval": {"announce": fields.stream},
        "max_completion_tokens": fields.max_output_tokens,
        "temperature": fields.temperature,
        "top_p": fields.top_p,
        "reasoning_effort": fields.reasoning.effort,
        "response_format": _response_format(fields.text.format),
        "prompt_cache_key": fields.prompt_cache_key,
        **_logprobs(fields),
        **_tools(fields),
    }
    return {name: value for name, value in body.items() if value is not None}


def in_their_names(error: PlatformError) -> PlatformError:
    """Name the field at fault as the request did that a chat request was made from.

    Args:
        error: of the chat request.

    Returns:
        The same error.
    """
    error.param = _CHAT_NAMES.get(error.param or "", error.param)
    return error


def _response_format(wanted: TextFormat) -> dict[str, Any] | None:
    if wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "json_object"}
    if wanted.json_schema is None or wanted.name is None:
        field = "schema" if wanted.json_schema is None else "name"
        raise ConfigError(
            f"Missing required parameter: 'text.format.{field}'.",
            param=f"text.format.{field}",
            code="missing_required_parameter",
        )
    schema = wanted.model_dump(by_alias=True, exclude_none=True, exclude={"type"})
    return {"type": "json_schema", "json_schema": schema}


def _logprobs(fields: ResponseFields) -> dict[str, Any]:
    if LOGPROBS not in fields.include and fields.top_logprobs is None:
        return {}
    return {"logprobs": True, "top_logprobs": fields.top_logprobs}


def _tools(fields: ResponseFields) -> dict[str, Any]:
    """The tools, and which of them the engine may call; a search that was asked for is made without asking it."""
    searches = [tool for tool in fields.tools if tool.get("type") == "file_search"]
    functions = [
        _function(tool, f"tools[{index}]")
        for index, tool in enumerate(fields.tools)
        if tool.get("type") != "file_search"
    ]
    choice = _tool_choice(fields.tool_choice)
    if not functions and (isinstance(choice, dict) or (choice == "required" and not searches)):
        raise ConfigError(
            f"tool_choice={fields.tool_choice} asks for a tool, and tools holds no such one.",
            param="tool_choice",
            code="invalid_value",
        )
    tools = [*(() if fields.tool_choice == "none" else searches), *functions]
    if not functions:
        return {"tools": tools or None}
    return {"tools": tools, "tool_choice": choice, "parallel_tool_calls": fields.parallel_tool_calls}


def _function(tool: Mapping[str, Any], place: str) -> dict[str, Any]:
    if tool.get("type") != "function":
        raise ConfigError(
            f"{place}.type={tool.get('type')} is not served here. There are file_search and function.",
            param=f"{place}.type",
            code="invalid_value",
        )
    if not isinstance(tool.get("name"), str):
        raise ConfigError(
            f"Missing required parameter: '{place}.name'.",
            param=f"{place}.name",
            code="missing_required_parameter",
        )
    known = ("name", "description", "parameters", "strict")
    function = {name: tool[name] for name in known if tool.get(name) is not None}
    return {"type": "function", "function": function}


def _tool_choice(choice: str | Mapping[str, Any]) -> str | dict[str, Any]:
    if isinstance(choice, str):
        return choice
    if choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    if choice.get("type") == "file_search":
        return "none"
    raise ConfigError(
        f"tool_choice.type={choice.get('type')} is not served here. There are none, auto, required, function and "
        "file_search.",
        param="tool_choice.type",
        code="invalid_value",
    )
