"""The document: every route of the app, with what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute

import tunesmith
from tunesmith.gateway.auth import Needs, NeedsOrganisation
from tunesmith.gateway.description.answers import ANSWER_OPERATIONS, ANSWER_SCHEMAS
from tunesmith.gateway.description.jobs import JOB_OPERATIONS, JOB_SCHEMAS
from tunesmith.gateway.description.operation import ANY_OBJECT, TEXT, Operation, Schema, nullable, record, ref
from tunesmith.gateway.description.organisation import ORGANISATION_OPERATIONS, ORGANISATION_SCHEMAS
from tunesmith.gateway.description.resources import RESOURCE_OPERATIONS, RESOURCE_SCHEMAS
from tunesmith.gateway.description.stores import STORE_OPERATIONS, STORE_SCHEMAS

OPERATIONS: Mapping[str, Operation] = {
    **RESOURCE_OPERATIONS,
    **JOB_OPERATIONS,
    **ANSWER_OPERATIONS,
    **STORE_OPERATIONS,
    **ORGANISATION_OPERATIONS,
}
"""What is said of each route, by method and path."""

_ERROR = "Error"
_USUAL = (401, 403, 429, 503, 507)
_REASONS = {
    400: "The request is wrong; the message says where, and the way out.",
    401: "No key, or one that opens nothing.",
    403: "This key may not do this.",
    404: "There is no such thing in this project.",
    408: "The request did not come in time.",
    409: "The request contradicts what is.",
    413: "The body is larger than is read.",
    429: "Too much at once: try again after `Retry-After` seconds.",
    503: "A part that should answer does not (yet): try again after `Retry-After` seconds.",
    504: "A part that should answer took too long.",
    507: "Nothing can be stored.",
}
_HEADERS: Mapping[str, Any] = {
    "RequestId": {"description": "Id of the request, as in the log.", "schema": TEXT, "required": True},
    "RetryAfter": {"description": "Seconds.", "schema": {"type": "integer"}, "required": False},
}
_REQUEST_ID = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
# Before OpenAPI 3.2 the schema of a stream is that of each of its events.
_EVENT = record({"data": TEXT}, {"event": TEXT})
_RETRY_AFTER = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}


def render_document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """Write the document.

    Args:
        routes: the app's.

    Returns:
        An OpenAPI 3.1 document; the same for the same routes.
    """
    schemas: dict[str, Any] = {
        _ERROR: _error_schema(),
        **RESOURCE_SCHEMAS,
        **JOB_SCHEMAS,
        **ANSWER_SCHEMAS,
        **STORE_SCHEMAS,
        **ORGANISATION_SCHEMAS,
    }
    named = {
        (method, re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)): route
        for route in routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    }
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), route in named.items():
        said = OPERATIONS.get(f"{method} {path}", Operation(summary=route.name, answer=ANY_OBJECT))
        links = _links(path, named) if method == "POST" else {}
        paths.setdefault(path, {})[method.lower()] = _operation(route, path, said, schemas, links)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tunesmith",
            "version": tunesmith.__version__,
            "description": "The OpenAI API, and what this platform has beyond it, on your own machines.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {f"Error{status}": _refusal(status) for status in _REASONS},
            "headers": dict(_HEADERS),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _error_schema() -> Schema:
    error = {"message": TEXT, "type": TEXT, "param": nullable(TEXT), "code": nullable(TEXT)}
    return record({"error": record(error)})


def _operation(
    route: APIRoute, path: str, said: Operation, schemas: dict[str, Any], links: dict[str, Any]
) -> dict[str, Any]:
    parameters = [*_path_parameters(path, said), *_query_parameters(said.query), *said.parameters]
    role = _role_of(route)
    return {
        "operationId": _operation_id(route),
        "summary": said.summary,
        **({"description": f"Takes a key with the role `{role}`."} if role else {}),
        "tags": [path.removeprefix("/v1").split("/")[1]],
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": _body(said, schemas)} if said.body is not None else {}),
        "responses": {str(status): answer for status, answer in sorted(_answers(path, said, links))},
        "security": [{"key": []}] if said.keyed else [],
    }


def _role_of(route: APIRoute) -> str | None:
    calls = [dependency.call for dependency in route.dependant.dependencies]
    return next((call.role for call in calls if isinstance(call, Needs | NeedsOrganisation)), None)


def _operation_id(route: APIRoute) -> str:
    """`vector_stores.files.list_files`: resources may call what they do by the same name."""
    return f"{_resource(route.endpoint.__module__)}.{route.name}"


def _resource(module: str) -> str:
    return module.removeprefix("tunesmith.gateway.").removesuffix(".routes")


def _links(path: str, named: Mapping[tuple[str, str], APIRoute]) -> dict[str, Any]:
    """What is made under a path is found again under its id, or under its name where it has one of its own."""
    fitting = re.compile(re.escape(path) + r"/\{(\w+)\}(/\w+)?")
    links = {}
    for (_, other), route in named.items():
        if found := fitting.fullmatch(other):
            key = "name" if found[1] == "name" else "id"
            links[route.name] = {
                "operationId": _operation_id(route),
                "parameters": {found[1]: f"$response.body#/{key}"},
            }
    return links


def _path_parameters(path: str, said: Operation) -> Iterator[Schema]:
    for name in re.findall(r"\{(\w+)\}", path):
        yield {"name": name, "in": "path", "required": True, "schema": said.path.get(name, TEXT)}


def _query_parameters(model: type[BaseModel] | None) -> Iterator[Schema]:
    schema = model.model_json_schema() if model else {}
    descriptions = schema.get("properties", {})
    for name, field in descriptions.items():
        # A query has no null: what is not there is left out.
        plain = next((part for part in field.get("anyOf", [field]) if part.get("type") != "null"), field)
        shown = {key: value for key, value in {**field, **plain}.items() if key not in ("anyOf", "title")}
        description = shown.pop("description", "")
        if shown.get("default", "") is None:
            del shown["default"]
        required = name in schema.get("required", ())
        yield {
            "name": name,
            "in": "query",
            "required": required,
            "description": description,
            "schema": shown,
        }


def _body(said: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(said.body, type):
        schema: Schema = ref(_add_model(said.body, schemas, said))
    else:
        schema = said.body or {}
    return {"required": True, "content": {said.body_type: {"schema": schema}}}


def _add_model(model: type[BaseModel], schemas: dict[str, Any], said: Operation) -> str:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, nested in schema.pop("$defs", {}).items():
        assert schemas.setdefault(name, nested) == nested, f"two models are called {name}"
    schema["properties"] |= said.fields
    if said.nulls:
        schema["properties"] = {
            name: field if name in schema["required"] else _with_null(field)
            for name, field in schema["properties"].items()
        }
    # Resources may call what they take by the same name.
    name = f"{_resource(model.__module__)}.{model.__name__}"
    schemas[name] = schema
    return name


def _with_null(field: dict[str, Any]) -> Any:
    choices = field.get("anyOf", [])
    return field if {"type": "null"} in choices else nullable(field)


def _answers(path: str, said: Operation, links: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    if said.answer is not None:
        content = {said.answer_type: {"schema": said.answer}}
        if said.events:
            content["text/event-stream"] = {"schema": _EVENT}
        answer = {"description": "Done.", "content": content, "headers": _REQUEST_ID}
        yield 200, answer | ({"links": links} if links else {})
    for status, schema in said.more.items():
        content = {"application/json": {"schema": schema}}
        yield status, {"description": _REASONS[status], "content": content, "headers": _REQUEST_ID}
    usual = {*_USUAL, *((404,) if "{" in path else ()), *((400, 408, 413) if said.body is not None else ())}
    for status in {*said.refusals, *(usual if said.keyed else ())} - set(said.more):
        yield status, {"$ref": f"#/components/responses/Error{status}"}


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": _REASONS[status],
        "content": {"application/json": {"schema": ref(_ERROR)}},
        "headers": {**_REQUEST_ID, **(_RETRY_AFTER if status in (429, 503) else {})},
    }
