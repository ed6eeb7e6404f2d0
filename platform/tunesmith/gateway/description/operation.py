"""What is said of one operation, and the words to say it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

Schema = Mapping[str, Any]
"""A JSON schema."""

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MOMENT: Schema = {"type": "integer", "description": "Unix seconds."}
FLAG: Schema = {"type": "boolean"}
ANY_OBJECT: Schema = {"type": "object"}
METADATA: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def ref(name: str) -> Schema:
    """A schema that stands under a name of its own.

    Args:
        name: its name.

    Returns:
        The reference.
    """
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    """A value or null.

    Args:
        schema: of the value.

    Returns:
        The schema.
    """
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Schema) -> Schema:
    """An array.

    Args:
        schema: of each item.

    Returns:
        The schema.
    """
    return {"type": "array", "items": schema}


def const(value: str) -> Schema:
    """One word.

    Args:
        value: the word.

    Returns:
        The schema.
    """
    return {"type": "string", "enum": [value]}


def one_of(*values: str) -> Schema:
    """One of some words.

    Args:
        *values: the words.

    Returns:
        The schema.
    """
    return {"type": "string", "enum": list(values)}


def record(
    required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, *, closed: bool = True
) -> dict[str, Any]:
    """An object.

    Args:
        required: what always stands in it.
        optional: what may.
        closed: whether nothing else may.

    Returns:
        The schema.
    """
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        **({"additionalProperties": False} if closed else {}),
    }


def page_of(schema: Schema) -> Schema:
    """A page of a list, as `page_object` makes it.

    Args:
        schema: of each thing on it.

    Returns:
        The schema.
    """
    return record(
        {
            "object": const("list"),
            "data": list_of(schema),
            "first_id": TEXT,
            "last_id": TEXT,
            "has_more": FLAG,
        }
    )


def deleted(kind: str) -> Schema:
    """What is said of a thing that was deleted.

    Args:
        kind: its `object`.

    Returns:
        The schema.
    """
    return record({"id": TEXT, "object": const(kind), "deleted": {"type": "boolean", "enum": [True]}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is said of one operation.

    Attributes:
        summary: what it does, in a line.
        answer: schema of the body of a 200; None where nothing but errors comes.
        answer_type: media type of that body.
        events: whether it may come as server-sent events.
        body: what it takes, as a model or a schema.
        fields: schemas of fields of that model which say more than the model's own, by name.
        body_type: media type of what it takes.
        nulls: whether a field that is null is one that was left out.
        query: the model of its query.
        parameters: further parameters, as OpenAPI says them.
        path: schemas of parameters of the path; what is not here is a text.
        refusals: statuses of errors, besides those that any operation may have.
        more: further answers by status.
        keyed: whether it needs a key.
    """

    summary: str
    answer: Schema | None = None
    answer_type: str = "application/json"
    events: bool = False
    body: type[BaseModel] | Schema | None = None
    fields: Mapping[str, Schema] = field(default_factory=dict)
    body_type: str = "application/json"
    nulls: bool = False
    query: type[BaseModel] | None = None
    parameters: Sequence[Schema] = ()
    path: Mapping[str, Schema] = field(default_factory=dict)
    refusals: Sequence[int] = ()
    more: Mapping[int, Schema] = field(default_factory=dict)
    keyed: bool = True


def query_parameter(name: str, schema: Schema, description: str, **more: Any) -> Schema:
    """A parameter of a query that may be left out.

    Args:
        name: its name.
        schema: its value.
        description: what it means.
        **more: further fields, such as `style`.

    Returns:
        The parameter as OpenAPI says it.
    """
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
        **more,
    }
