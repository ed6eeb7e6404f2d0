"""The OpenAPI spec of the OpenAI API as a judge of answers: required keys, types, enums; whole and in streams."""

from __future__ import annotations

import copy
import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

SPEC = Path(__file__).parents[3] / "shared" / "data" / "openapi-openai" / "openapi.json"

Schema = dict[str, Any]


class Spec:
    """A spec that answers can be held against.

    Args:
        document: the parsed OpenAPI document.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = _with_null(copy.deepcopy(document))
        self._validators: dict[str, Draft202012Validator] = {}
        schemas = self._document["components"]["schemas"]
        # A file may be made for evals (CreateFileRequest), but its schema forgot to say so.
        schemas["OpenAIFile"]["properties"]["purpose"]["enum"].append("evals")
        # Embeddings can be asked for in base64, but the schema of the answer knows numbers alone.
        embedding = schemas["Embedding"]["properties"]
        embedding["embedding"] = {"anyOf": [embedding["embedding"], {"type": "string"}]}
        # The spec's own answer to /pause is a job that is `paused`.
        schemas["FineTuningJob"]["properties"]["status"]["enum"].append("paused")
        # The spec's own examples say null until a text ends, and its schema did not hear of streams.
        finish_reason = schemas["CreateCompletionResponse"]["properties"]["choices"]["items"]["properties"]
        finish_reason["finish_reason"] = {"anyOf": [finish_reason["finish_reason"], {"type": "null"}]}

    def check(self, method: str, path: str, status: int, body: Any) -> None:
        """Hold an answer against the spec.

        Args:
            method: HTTP method.
            path: path under the base URL, `/files/file-1`.
            status: HTTP status; from 400 on the body must be an error.
            body: the parsed JSON.

        Raises:
            AssertionError: lists every fault; or the spec knows no such operation.
        """
        if status >= 400:
            schema: Schema | None = {"$ref": "#/components/schemas/ErrorResponse"}
        else:
            schema = self._schema(method, path, "application/json")
        if schema is not None:
            self._hold(f"{method} {path} -> {status}", schema, body)

    def check_event(self, method: str, path: str, event: Any) -> None:
        """Hold one event of a stream against the spec.

        Args:
            method: HTTP method.
            path: path under the base URL.
            event: the parsed JSON behind `data:`.

        Raises:
            AssertionError: lists every fault; or the spec knows no such stream.
        """
        # Of text completions the spec says in words that the pieces have the form of the whole.
        schema = self._schema(method, path, "text/event-stream") or self._schema(
            method, path, "application/json"
        )
        assert schema, f"the spec has no stream {method} {path}"
        self._hold(f"an event of {method} {path}", self._of_type(schema, event), event)

    def knows(self, path: str) -> bool:
        """Whether the spec has this path.

        Args:
            path: path under the base URL.

        Returns:
            True if some template fits.
        """
        return any(pattern.fullmatch(path) for pattern in self._paths)

    def has(self, method: str, path: str) -> bool:
        """Whether the spec has this operation.

        Args:
            method: HTTP method.
            path: path under the base URL, or its template.

        Returns:
            True if it does.
        """
        return any(
            pattern.fullmatch(path) and method.lower() in operations
            for pattern, operations in self._paths.items()
        )

    def _hold(self, what: str, schema: Schema, body: Any) -> None:
        name = json.dumps(schema)
        if name not in self._validators:
            whole = {**schema, "components": self._document["components"]}
            self._validators[name] = Draft202012Validator(whole)
        faults = [
            f"{fault.json_path}: {fault.message[:500]}" for fault in self._validators[name].iter_errors(body)
        ]
        assert not faults, f"{what} is not as the spec says:\n" + "\n".join(faults)

    def _schema(self, method: str, path: str, content: str) -> Schema | None:
        fitting = [operations for pattern, operations in self._paths.items() if pattern.fullmatch(path)]
        assert fitting, f"the spec has no {path}"
        operation = next((found for found in fitting if method.lower() in found), None)
        assert operation, f"the spec has no {method} {path}"
        answers = operation[method.lower()]["responses"]
        answer = next(answers[status] for status in sorted(answers) if status.startswith("2"))
        schema: Schema | None = answer.get("content", {}).get(content, {}).get("schema")
        return schema

    def _of_type(self, schema: Schema, event: Any) -> Schema:
        """Of the kinds of event the one that this event says it is, so that a fault is told of that one alone."""
        named = self._resolved(schema)
        kind = event.get("type") if isinstance(event, dict) else None
        for choice in named.get("anyOf", ()) if kind is not None else ():
            said = self._resolved(choice).get("properties", {}).get("type", {})
            if kind in said.get("enum", ()):
                return dict(choice)
        return schema

    def _resolved(self, schema: Schema) -> Schema:
        name = schema.get("$ref", "").removeprefix("#/components/schemas/")
        return self._document["components"]["schemas"][name] if name else schema

    @cached_property
    def _paths(self) -> dict[re.Pattern[str], dict[str, Any]]:
        # Plain paths before those with variables, so that /files/import would not be a file's id.
        templates = sorted(self._document["paths"], key=lambda template: template.count("{"))
        return {
            re.compile(re.sub(r"\{\w+\}", "[^/]+", template)): self._document["paths"][template]
            for template in templates
        }


def _with_null(schema: Any) -> Any:
    """Say `nullable`, a word of OpenAPI 3.0 that stands in some schemas, in the words of 3.1."""
    if isinstance(schema, list):
        return [_with_null(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _with_null(part) for name, part in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


def load_spec() -> Spec | None:
    """Read the spec.

    Returns:
        The spec; None where the shared data are not at hand.
    """
    return Spec(json.loads(SPEC.read_text(encoding="utf-8"))) if SPEC.exists() else None


def require_spec() -> Spec:
    """Read the spec, or skip the test.

    Returns:
        The spec.
    """
    spec = load_spec()
    if spec is None:
        pytest.skip(f"the OpenAPI spec is not at hand ({SPEC.name} of the shared data)")
    return spec
