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
        variants = [definitions[_last(choice["$ref"])] for choice in _choices(field) if "$ref" in choice]
        if not variants:
            default = "required" if name in required else _value(field.get("default"))
            yield f"| `{path}` | {_type(field)} | {default} | {_one_line(field.get('description', ''))} |"
            continue
        tagged = "discriminator" in field
        for variant in variants:
            kind = f" ({variant['properties']['type']['const']})" if tagged else ""
            yield f"| **`{path}`**{kind} | | | {_one_line(variant['description'])} |"
            yield from _rows(variant, definitions, prefix=f"{path}.")


def _choices(field: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return field.get("oneOf") or field.get("anyOf") or [field]


def _type(field: Mapping[str, Any]) -> str:
    names = []
    for choice in _choices(field):
        if "const" in choice:
            names.append(f"`{choice['const']}`")
        elif "enum" in choice:
            names.extend(f"`{value}`" for value in choice["enum"])
        elif choice["type"] == "array":
            names.append(f"list of {choice['items']['type'] if 'items' in choice else 'values'}")
        elif choice["type"] != "null":
            bounds = [f"{sign} {choice[key]:g}" for key, sign in _BOUNDS.items() if key in choice]
            names.append(" ".join([choice["type"], ", ".join(bounds)]).strip())
    return " or ".join(names)


def _value(value: Any) -> str:
    if value is None:
        return "unset"
    return f"`{_one_line(value if isinstance(value, str) else json.dumps(value))}`"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _last(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]
