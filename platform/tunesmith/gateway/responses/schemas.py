"""JSON schemas of what a request for a response may hold where its model says no more than `an object`."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_ID = {"anyOf": [_TEXT, {"type": "null"}]}
_NAME = {"type": "string", "minLength": 1}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def _one(word: str) -> dict[str, Any]:
    return {"type": "string", "enum": [word]}


_PART = _object({"type": {"type": "string", "enum": ["input_text", "output_text"]}, "text": _TEXT})
_ITEM = {
    "anyOf": [
        _object(
            {
                "role": {"type": "string", "enum": ["user", "assistant", "system", "developer"]},
                "content": {"anyOf": [_TEXT, {"type": "array", "items": _PART, "minItems": 1}]},
            },
            {"type": _one("message"), "id": _ID},
        ),
        _object(
            {"type": _one("function_call"), "call_id": _NAME, "name": _NAME, "arguments": _TEXT}, {"id": _ID}
        ),
        _object({"type": _one("function_call_output"), "call_id": _NAME, "output": _TEXT}, {"id": _ID}),
        _object({"type": _one("item_reference"), "id": _TEXT}),
    ]
}
_FUNCTION = _object(
    {"type": _one("function"), "name": _NAME},
    {"description": _TEXT, "parameters": {"type": "object"}, "strict": {"type": "boolean"}},
)
_FILE_SEARCH = _object(
    {"type": _one("file_search"), "vector_store_ids": {"type": "array", "items": _TEXT, "minItems": 1}},
    {"max_num_results": {"type": "integer", "minimum": 1, "maximum": 50}},
) | {"additionalProperties": False}

INPUT_SCHEMA: dict[str, Any] = {"anyOf": [_NAME, {"type": "array", "items": _ITEM, "minItems": 1}]}
"""A question, or items."""
TOOLS_SCHEMA: dict[str, Any] = {"type": "array", "items": {"anyOf": [_FUNCTION, _FILE_SEARCH]}}
"""What may be called."""
TOOL_CHOICE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "enum": ["none", "auto", "required"]},
        _object({"type": _one("function"), "name": _NAME}),
        _object({"type": _one("file_search")}),
    ]
}
"""What must be called."""
_HAS_A_FUNCTION = {
    "type": "array",
    "contains": {"properties": {"type": _one("function")}, "required": ["type"]},
}
REQUEST_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "properties": {
                "tool_choice": {
                    "anyOf": [
                        {"type": "string", "enum": ["none", "auto"]},
                        _object({"type": _one("file_search")}),
                        {"type": "null"},
                    ]
                }
            }
        },
        {
            "properties": {
                "tool_choice": {"type": "string", "enum": ["required"]},
                "tools": {"type": "array", "minItems": 1},
            },
            "required": ["tools"],
        },
        {"properties": {"tools": _HAS_A_FUNCTION}, "required": ["tools"]},
    ]
}
"""What must be called is there to be called."""
FORMAT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"properties": {"type": {"type": "string", "enum": ["text", "json_object"]}}},
        {
            "properties": {
                "type": _one("json_schema"),
                "name": {"type": "string"},
                "schema": {"type": "object"},
            },
            "required": ["type", "name", "schema"],
        },
    ]
}
"""A schema has a name, and both are there where JSON of one schema is asked for."""
