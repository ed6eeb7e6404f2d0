"""Kubernetes' own schemas, strictly, for every version that the chart promises; each is read once."""

from __future__ import annotations

import functools
import re
from typing import Any

import jsonschema
from kubernetes_validate import utils
from referencing import Registry, Resource

VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36")


def faults(obj: dict[str, Any], version: str) -> list[str]:
    """What the schema of one version says against an object; an unknown kind is no fault here."""
    try:
        validator = _validator(obj["apiVersion"], obj["kind"], version)
    except FileNotFoundError:
        return []
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(obj)]


def is_builtin(obj: dict[str, Any]) -> bool:
    """Whether Kubernetes itself knows the kind."""
    try:
        _validator(obj["apiVersion"], obj["kind"], VERSIONS[-1])
    except FileNotFoundError:
        return False
    return True


@functools.cache
def _validator(api_version: str, kind: str, version: str) -> jsonschema.Draft202012Validator:
    folder = f"kubernetes-json-schema/v{version}.0-local-strict"
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = utils.schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    return jsonschema.Draft202012Validator(
        schema, registry=Resource.from_contents(schema) @ _registry(version)
    )


@functools.cache
def _registry(version: str) -> Registry[Any]:
    folder = f"kubernetes-json-schema/v{version}.0-local-strict"
    definitions = utils.schema_contents(f"{folder}/_definitions.json", version)
    return Resource.from_contents(definitions) @ Registry()
