"""The OpenAPI spec of the OpenAI API as a judge of answers: required keys, types, enums."""

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


class Spec:
    """A spec that answers can be held against.

    Args:
        document: the parsed OpenAPI document.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = copy.deepcopy(document)
        schemas = self._document["components"]["schemas"]
        # A file may be made for evals (CreateFileRequest), but its schema forgot to say so.
        schemas["OpenAIFile"]["properties"]["purpose"]["enum"].append("evals")

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
        schema = self._error_schema if status >= 400 else self._answer_schema(method, path)
        validator = Draft202012Validator({**schema, "components": self._document["components"]})
        faults = [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(body)]
        assert not faults, f"{method} {path} -> {status} is not as the spec says:\n" + "\n".join(faults)

    def knows(self, path: str) -> bool:
        """Whether the spec has this path.

        Args:
            path: path under the base URL.

        Returns:
            True if some template fits.
        """
        return any(pattern.fullmatch(path) for pattern in self._paths)

    @property
    def _error_schema(self) -> dict[str, Any]:
        return {"$ref": "#/components/schemas/ErrorResponse"}

    def _answer_schema(self, method: str, path: str) -> dict[str, Any]:
        fitting = [operations for pattern, operations in self._paths.items() if pattern.fullmatch(path)]
        assert fitting, f"the spec has no {path}"
        assert method.lower() in fitting[0], f"the spec has no {method} {path}"
        answer: dict[str, Any] = fitting[0][method.lower()]["responses"]["200"]
        schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
        return schema

    @cached_property
    def _paths(self) -> dict[re.Pattern[str], dict[str, Any]]:
        # Plain paths before those with variables, so that /files/import would not be a file's id.
        templates = sorted(self._document["paths"], key=lambda template: template.count("{"))
        return {
            re.compile(re.sub(r"\{\w+\}", "[^/]+", template)): self._document["paths"][template]
            for template in templates
        }


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
