"""Items of `/v1/responses`: what a request puts in, as it is stored and listed, and as chat messages."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.gateway.body import check_fields

Item = dict[str, Any]
FindItem = Callable[[str], Mapping[str, Any] | None]
Model = TypeVar("Model", bound=BaseModel)

_UNSEEN: Mapping[str, Item] = {
    "file_search_call": {"status": "completed", "queries": []},
    "reasoning": {"summary": []},
}
"""Items that a program may send back as it got them; the model has no use for them."""


class MessageFields(BaseModel):
    """A turn. Its text is `input_text`, or `output_text` and `refusal` where the assistant speaks."""

    model_config = ConfigDict(extra="ignore")
    role: Literal["user", "assistant", "system", "developer"]
    """Who speaks."""
    content: str | list[dict[str, Any]]
    """Text, or parts."""
    id: str | None = None
    """Its id, where it came from a response."""


class TextFields(BaseModel):
    """A part of a turn or of a tool's result."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["input_text", "output_text"]
    """Other parts (images, files, sound) are not served."""
    text: str
    """The text."""


class RefusalFields(BaseModel):
    """What the assistant said when it refused."""

    model_config = ConfigDict(extra="ignore")
    refusal: str
    """The text."""


class FunctionCallFields(BaseModel):
    """A call of a function, as the model made it."""

    model_config = ConfigDict(extra="ignore")
    call_id: str = Field(min_length=1)
    """Names the call to its result."""
    name: str = Field(min_length=1)
    """The function."""
    arguments: str
    """JSON."""
    id: str | None = None
    """Its id, where it came from a response."""


class FunctionOutputFields(BaseModel):
    """What a function returned."""

    model_config = ConfigDict(extra="ignore")
    call_id: str = Field(min_length=1)
    """Names the call."""
    output: str | list[dict[str, Any]]
    """Text, or parts."""
    id: str | None = None
    """Its id, where it came from a response."""


def new_id(prefix: str) -> str:
    """Make an id.

    Args:
        prefix: what it is for: `resp`, `msg`, `fs`, `fc`, `fco`, `item`.

    Returns:
        The prefix and 48 random hexadecimal digits.
    """
    return f"{prefix}_{secrets.token_hex(24)}"


def read_items(given: str | Sequence[Mapping[str, Any]], *, find: FindItem) -> list[Item]:
    """Bring the input of a request into the form in which it is stored.

    Args:
        given: a text, or items in any of the forms that the API takes.
        find: looks up the item that an `item_reference` names.

    Returns:
        Items with id, type and status, their content in parts.

    Raises:
        ConfigError: names the first item at fault.
        NotFoundError: an `item_reference` names nothing that is kept.
    """
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    return [_read_item(item, f"input[{index}]", find) for index, item in enumerate(given)]


def _read_item(item: Mapping[str, Any], place: str, find: FindItem) -> Item:
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    if kind == "message":
        return _message(check_fields(item, MessageFields, within=f"{place}."), place)
    if kind == "function_call":
        call = check_fields(item, FunctionCallFields, within=f"{place}.")
        return {"type": kind, "status": "completed", **_fields(call, "fc")}
    if kind == "function_call_output":
        result = check_fields(item, FunctionOutputFields, within=f"{place}.")
        _check_parts(result.output, f"{place}.output")
        return {"type": kind, "status": "completed", **_fields(result, "fco")}
    if isinstance(kind, str) and kind in _UNSEEN:
        return {**_UNSEEN[kind], **item, "id": item.get("id") or new_id("item")}
    if kind == "item_reference":
        return _referred(item, place, find)
    raise ConfigError(
        f"{place}.type={kind} is not served here. Send messages, function_call and function_call_output items.",
        param=f"{place}.type",
        code="invalid_value",
    )


def _fields(checked: FunctionCallFields | FunctionOutputFields, prefix: str) -> Item:
    return checked.model_dump() | {"id": checked.id or new_id(prefix)}


def _referred(item: Mapping[str, Any], place: str, find: FindItem) -> Item:
    found = find(str(item.get("id")))
    if found is None:
        raise NotFoundError(
            f"Item with id '{item.get('id')}' not found. What store=false answered is not kept: send the item itself.",
            param=f"{place}.id",
            code="item_not_found",
        )
    return dict(found)


def _message(message: MessageFields, place: str) -> Item:
    head = {"id": message.id or new_id("msg"), "type": "message", "role": message.role, "status": "completed"}
    said = "output_text" if message.role == "assistant" else "input_text"
    if isinstance(message.content, str):
        return head | {"content": [_text_part(said, message.content)]}
    parts = [_part(part, said, f"{place}.content[{index}]") for index, part in enumerate(message.content)]
    return head | {"content": parts}


def _part(part: Mapping[str, Any], said: str, place: str) -> Item:
    if part.get("type") == "refusal" and said == "output_text":
        return {"type": "refusal", "refusal": check_fields(part, RefusalFields, within=f"{place}.").refusal}
    return _text_part(said, check_fields(part, TextFields, within=f"{place}.").text) | (
        {"annotations": part["annotations"]} if said == "output_text" and "annotations" in part else {}
    )


def _text_part(said: str, text: str) -> Item:
    return {"type": said, "text": text} | (
        {"annotations": [], "logprobs": []} if said == "output_text" else {}
    )


def _check_parts(content: str | list[dict[str, Any]], place: str) -> None:
    if isinstance(content, list):
        for index, part in enumerate(content):
            check_fields(part, TextFields, within=f"{place}[{index}].")


def to_messages(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Say items as chat messages.

    Args:
        items: a conversation as it is stored, oldest first.

    Returns:
        Messages; calls of functions stand in the assistant's turn that made them.
    """
    messages = list[dict[str, Any]]()
    for item in items:
        if item["type"] == "message":
            messages.append({"role": item["role"], "content": _content(item["content"])})
        elif item["type"] == "function_call":
            _add_call(messages, item)
        elif item["type"] == "function_call_output":
            messages.append(
                {"role": "tool", "tool_call_id": item["call_id"], "content": _content(item["output"])}
            )
    return messages


def _content(content: str | Sequence[Mapping[str, Any]]) -> str | list[dict[str, str]]:
    if isinstance(content, str):
        return content
    texts = [str(part["refusal"] if part["type"] == "refusal" else part["text"]) for part in content]
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


def _add_call(messages: list[dict[str, Any]], item: Mapping[str, Any]) -> None:
    function = {"name": item["name"], "arguments": item["arguments"]}
    call = {"id": item["call_id"], "type": "function", "function": function}
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)
