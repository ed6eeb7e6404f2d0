"""`docs/reference/config.md`: every field of every recipe, from the config models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunesmith.config.strict import StrictModel

_HEADER = ("| field | type | default | meaning |", "| --- | --- | --- | --- |")
_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def render_knobs(models: Sequence[type[StrictModel]]) -> str:
    """Write a table of fields for every config model.

    Args:
        models: one for each verb that has recipes.

    Returns:
        Markdown: a heading and a table a model; fields of nested models under their dotted path.
    """
    sections = [_section(model) for model in models]
    return "\n\n".join(["# Recipe fields", *sections]) + "\n"


def _section(model: type[StrictModel]) -> str:
    schema = model.model_json_schema()
    verb = schema["properties"]["verb"]["const"]
    head = f"## `{verb}`\n\n{schema['description']}\n"
    return "\n".join([head, *_HEADER, *_rows(schema, schema.get("$defs", {}), prefix="")])


def _rows(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, prefix: str) -> Iterator[str]:
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        path = f"{prefix}{name}"
        nested = [definitions[reference] for reference in _references(field)]
        if not nested or field.get("type") == "array":
            default = "required" if name in required else _value(field.get("default"))
            yield f"| `{path}` | {_type(field)} | {default} | {_one_line(field.get('description', ''))} |"
        for model in nested:
            yield from _nested_rows(model, definitions, path=path, field=field)


def _nested_rows(
    model: Mapping[str, Any], definitions: Mapping[str, Any], *, path: str, field: Mapping[str, Any]
) -> Iterator[str]:
    if field.get("type") == "array":
        yield from _rows(model, definitions, prefix=f"{path}[].")
        return
    kind = f" ({model['properties']['type']['const']})" if "discriminator" in field else ""
    yield f"| **`{path}`**{kind} | | | {_one_line(model['description'])} |"
    yield from _rows(model, definitions, prefix=f"{path}.")


def _references(field: Mapping[str, Any]) -> Sequence[str]:
    choices = [*_choices(field), field.get("items", {})]
    return [_last(choice["$ref"]) for choice in choices if "$ref" in choice]


def _choices(field: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return field.get("oneOf") or field.get("anyOf") or [field]


def _type(field: Mapping[str, Any]) -> str:
    return " or ".join(name for choice in _choices(field) for name in _names(choice))


def _names(choice: Mapping[str, Any]) -> Sequence[str]:
    if "$ref" in choice:
        return [_last(choice["$ref"])]
    if "const" in choice or "enum" in choice:
        return [f"`{value}`" for value in choice.get("enum", [choice.get("const")])]
    if choice["type"] == "null":
        return []
    if choice["type"] == "array":
        return [f"list of {_type(choice.get('items', {'type': 'values'}))}"]
    bounds = [f"{sign} {choice[key]:g}" for key, sign in _BOUNDS.items() if key in choice]
    return [" ".join([choice["type"], ", ".join(bounds)]).strip()]


def _value(value: Any) -> str:
    if value is None:
        return "unset"
    return f"`{_one_line(value if isinstance(value, str) else json.dumps(value))}`"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _last(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]
