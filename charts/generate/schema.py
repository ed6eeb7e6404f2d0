"""values.schema.json: what Helm refuses before it renders anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from generate.values import Value
from tunesmith.config.serve import ServeConfig

_PARTIAL = ("pod", "workerGroup")
"""Sections that others of the same shape are laid over: of those every key may be absent."""
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def render_schema(root: Value) -> str:
    """Write the schema of the values.

    Args:
        root: the values.

    Returns:
        JSON Schema, draft 2020-12.
    """
    definitions = (
        yaml.safe_load((Path(__file__).parent / "definitions.yaml").read_text(encoding="utf-8"))
        | _serve_config()
    )
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the chart tunesmith",
        **_object(root),
        "$defs": definitions,
    }
    # Helm hands these to every chart, whether or not it has sub-charts.
    schema["properties"]["global"] = {"type": "object"}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _object(value: Value) -> dict[str, Any]:
    """A section. Keys have defaults: one is absent where a null took it away, or an older chart's defaults stand."""
    needed = [child.path[-1] for child in value.children if "null" not in child.schema.get("type", ())]
    return {
        "type": "object",
        "additionalProperties": False,
        **({} if value.path[:1] and value.path[0] in _PARTIAL else {"required": needed}),
        "properties": {child.path[-1]: _property(child) for child in value.children},
    }


def _property(value: Value) -> dict[str, Any]:
    described = {"description": value.description}
    if value.children:
        return {**described, **_object(value)}
    if "$ref" in value.schema:
        return {**described, **value.schema}
    if value.default is None and "type" not in value.schema:
        raise ValueError(f"{value.name} is null. Name its type after @schema.")
    inferred = {} if "enum" in value.schema else {"type": _TYPES.get(type(value.default))}
    return {**described, **inferred, **value.schema}


def _serve_config() -> dict[str, Any]:
    """The program's own config, from its model, so that Helm refuses what the program would refuse."""
    schema = ServeConfig.model_json_schema()
    nested = schema.pop("$defs")
    return json.loads(json.dumps({**nested, "ServeConfig": schema}))
