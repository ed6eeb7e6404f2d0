"""The chart, rendered by the real helm; each rendering is made once."""

from __future__ import annotations

import functools
from typing import Any

import yaml

from generate.manifests import template

Objects = tuple[dict[str, Any], ...]


@functools.cache
def render_objects(*arguments: str, version: str = "4.1.4") -> Objects:
    """Render and parse. Tests read the objects; none may change them."""
    documents = yaml.load_all(template(*arguments, version=version), Loader=yaml.CSafeLoader)
    return tuple(document for document in documents if document)


def pod_templates(objects: Objects) -> dict[str, dict[str, Any]]:
    """The pods of Ray clusters that the chart hands to the controller, by file name."""
    data = find(objects, "ConfigMap", "tunesmith-pod-templates")["data"]
    return {name: yaml.safe_load(text) for name, text in data.items() if name != "clusters.yaml"}


def pod_specs(objects: Objects) -> dict[str, dict[str, Any]]:
    """Every pod that can come of the objects, as PodTemplateSpecs: of workloads, bare, and for Ray."""
    found = {f"ray/{name}": pod for name, pod in pod_templates(objects).items()}
    for obj in objects:
        name = f"{obj['kind']}/{obj['metadata']['name']}"
        if obj["kind"] in ("Deployment", "Job", "StatefulSet", "DaemonSet"):
            found[name] = obj["spec"]["template"]
        if obj["kind"] == "Pod":
            found[name] = {"metadata": obj["metadata"], "spec": obj["spec"]}
    return found


def find(objects: Objects, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
    """The one object of that kind and name."""
    (found,) = (
        obj
        for obj in objects
        if (obj["kind"], obj["metadata"]["name"]) == (kind, name)
        and namespace in (None, obj["metadata"].get("namespace", "tunesmith"))
    )
    return found
