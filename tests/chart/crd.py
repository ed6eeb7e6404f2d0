"""What an API server and the KubeRay operator say to a custom resource, without either of them.

    validate(object)         prune nulls -> defaults -> unknown fields -> JSON Schema -> CEL rules -> unique list keys
    operator_faults(object)  rules that the operator alone knows; it tells them in the object's status, after the fact

The order is the server's: a field that is `required` and has a default may be left out, and a null where none is
allowed is dropped before anything looks at it. KubeRay's CRDs lie beside the checkout (`../shared/crds`), or where
TUNESMITH_CRDS says; those of others come from `definitions.py`.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import celpy
import jsonschema
import yaml
from celpy import adapter
from definitions import schema_of

CRDS = Path(os.environ.get("TUNESMITH_CRDS") or Path(__file__).parents[3] / "shared" / "crds")
HAVE_CRDS = CRDS.is_dir()
PLURALS = {
    "RayCluster": "rayclusters",
    "RayJob": "rayjobs",
    "RayService": "rayservices",
    "RayCronJob": "raycronjobs",
}

_NAME_LIMITS = {"RayCluster": 53, "RayJob": 47, "RayService": 47, "RayCronJob": 36}
_DNS_1035 = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")


def validate(thing: Mapping[str, Any]) -> list[str]:
    """Every reason for which an API server that knows the kind refuses to create the object; none if it takes it."""
    schema, compiled = _schema(thing["kind"], thing["apiVersion"])
    seen = copy.deepcopy(dict(thing))
    _prune_nulls(schema, seen)
    _default(schema, seen)
    faults = list(_unknown(schema, seen, ""))
    faults += [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in compiled.iter_errors(seen)
    ]
    if not faults:
        faults += _broken_rules(schema, seen, "")
        faults += _repeated(schema, seen, "")
    return faults


def operator_faults(thing: Mapping[str, Any]) -> list[str]:
    """Every reason for which the operator (1.7) would set ValidationFailed on an object that the server takes."""
    kind, spec = thing["kind"], thing["spec"]
    name = thing["metadata"].get("name", "")
    faults = []
    if len(name) > _NAME_LIMITS[kind] or not _DNS_1035.match(name):
        faults.append(f"metadata.name={name}: at most {_NAME_LIMITS[kind]} characters, DNS-1035")
    if kind == "RayCluster":
        return [*faults, *_cluster_faults(spec, owned=False)]
    if kind == "RayJob":
        faults += _job_faults(spec)
        cluster = spec.get("rayClusterSpec")
    elif kind == "RayService":
        faults += _service_faults(spec)
        cluster = spec.get("rayClusterConfig")
    else:
        return faults
    if cluster:
        faults += _cluster_faults(cluster, owned=True)
        if cluster.get("authOptions", {}).get("enableK8sTokenAuth"):
            faults.append("authOptions.enableK8sTokenAuth is refused for RayJob and RayService")
    return faults


def _job_faults(spec: Mapping[str, Any]) -> Iterator[str]:
    shuts_down, rules = (
        spec.get("shutdownAfterJobFinishes"),
        spec.get("deletionStrategy", {}).get("deletionRules"),
    )
    mode = spec.get("submissionMode", "K8sJobMode")
    if bool(spec.get("clusterSelector")) == bool(spec.get("rayClusterSpec")):
        yield "exactly one of clusterSelector and rayClusterSpec"
    if spec.get("suspend") and (not shuts_down or spec.get("clusterSelector")):
        yield "suspend needs shutdownAfterJobFinishes and no clusterSelector"
    if spec.get("backoffLimit") and (spec.get("clusterSelector") or mode == "InteractiveMode"):
        yield "backoffLimit not with clusterSelector or InteractiveMode"
    if spec.get("ttlSecondsAfterFinished") and not shuts_down:
        yield "ttlSecondsAfterFinished only with shutdownAfterJobFinishes"
    if rules and shuts_down:
        yield "shutdownAfterJobFinishes and deletionRules exclude each other"
    if mode == "SidecarMode" and (spec.get("submitterPodTemplate") or spec.get("submitterConfig")):
        yield "SidecarMode: no submitterPodTemplate, no submitterConfig"
    if spec.get("activeDeadlineSeconds") is not None and spec["activeDeadlineSeconds"] <= 0:
        yield "activeDeadlineSeconds must be positive"
    autoscales = (spec.get("rayClusterSpec") or {}).get("enableInTreeAutoscaling")
    if autoscales and any(rule["policy"] == "DeleteWorkers" for rule in rules or ()):
        yield "DeleteWorkers not with autoscaling"
    for rule in rules or ():
        if len({"jobStatus", "jobDeploymentStatus"} & set(rule["condition"])) != 1:
            yield "each deletion condition has exactly one of jobStatus and jobDeploymentStatus"


def _service_faults(spec: Mapping[str, Any]) -> Iterator[str]:
    cluster = spec["rayClusterConfig"]
    if cluster["headGroupSpec"].get("headService", {}).get("metadata", {}).get("name"):
        yield "headService.metadata.name must be unset"
    strategy = spec.get("upgradeStrategy", {})
    if strategy.get("type") == "NewClusterWithIncrementalUpgrade":
        options = strategy.get("clusterUpgradeOptions", {})
        missing = {"gatewayClassName", "stepSizePercent", "intervalSeconds"} - set(options)
        if missing:
            yield f"clusterUpgradeOptions lacks {sorted(missing)}"
        if not cluster.get("enableInTreeAutoscaling"):
            yield "an incremental upgrade needs enableInTreeAutoscaling"


def _cluster_faults(spec: Mapping[str, Any], *, owned: bool) -> Iterator[str]:
    autoscales = bool(spec.get("enableInTreeAutoscaling"))
    if owned and spec.get("upgradeStrategy"):
        yield "upgradeStrategy is refused on a cluster that a RayJob or RayService owns"
    if spec.get("authOptions", {}).get("mode") == "token" and _release(spec.get("rayVersion", "0.0")) < (
        2,
        52,
    ):
        yield f"token authentication needs rayVersion 2.52, not {spec.get('rayVersion')}"
    pods = [("head", spec["headGroupSpec"])]
    pods += [(group["groupName"], group) for group in spec.get("workerGroupSpecs", ())]
    if len(pods) != len(dict(pods)):
        yield "group names are not unique"
    for name, group in pods:
        yield from _group_faults(name, group, autoscales=autoscales)


def _group_faults(name: str, group: Mapping[str, Any], *, autoscales: bool) -> Iterator[str]:
    template = group["template"]["spec"]
    if not template.get("containers"):
        yield f"{name}: no container"
    if group.get("resources") and {"num-cpus", "num-gpus", "memory", "resources"} & set(
        group.get("rayStartParams") or {}
    ):
        yield f"{name}: resources stand in rayStartParams and in resources"
    if "labels" in (group.get("rayStartParams") or {}):
        yield f"{name}: labels in rayStartParams"
    if autoscales and template.get("restartPolicy", "Never") != "Never":
        yield f"{name}: autoscaler v2 needs restartPolicy Never"
    if name != "head":
        low, high = group.get("minReplicas", 0), group.get("maxReplicas", 2**31 - 1)
        if not 0 <= low <= high:
            yield f"{name}: minReplicas={low}, maxReplicas={high}"
        if not autoscales and ("minReplicas" not in group or "maxReplicas" not in group):
            yield f"{name}: without autoscaling minReplicas and maxReplicas are both set"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


@lru_cache(maxsize=32)
def _schema(kind: str, api_version: str) -> tuple[Any, Any]:
    schema = _crd_schema(kind, api_version) if kind in PLURALS else schema_of(kind, api_version)
    return schema, jsonschema.Draft202012Validator(_as_json_schema(schema))


def _crd_schema(kind: str, api_version: str) -> Any:
    path = CRDS / f"ray.io_{PLURALS[kind]}.yaml"
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    (schema,) = [
        entry["schema"]["openAPIV3Schema"]
        for entry in document["spec"]["versions"]
        if entry["name"] == api_version.rpartition("/")[2]
    ]
    return schema


def _as_json_schema(schema: Any) -> Any:
    """Close what the server closes by pruning, and write int-or-string and nullable as JSON Schema does."""
    if isinstance(schema, list):
        return [_as_json_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    turned = {
        key: (
            {name: _as_json_schema(part) for name, part in value.items()}
            if key == "properties"
            else _as_json_schema(value)
        )
        for key, value in schema.items()
        if not key.startswith("x-kubernetes") and key not in ("default", "format")
    }
    if schema.get("x-kubernetes-int-or-string"):
        turned.pop("type", None)
        turned["type"] = ["integer", "string"]
        turned.pop("anyOf", None)
    if schema.get("nullable") and "type" in turned:
        turned["type"] = (
            [turned["type"], "null"] if isinstance(turned["type"], str) else [*turned["type"], "null"]
        )
    return turned


def _children(schema: Any, value: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each part of a value with the schema that it has."""
    if isinstance(value, dict):
        for key, part in value.items():
            own = schema.get("properties", {}).get(key)
            further = schema.get("additionalProperties")
            if own is not None:
                yield key, own, part
            elif isinstance(further, dict):
                yield key, further, part
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, part in enumerate(value):
            yield str(index), schema["items"], part


def _prune_nulls(schema: Any, value: Any) -> None:
    if isinstance(value, dict):
        for key, part, child in [(key, part, child) for key, part, child in _children(schema, value)]:
            if child is None and not part.get("nullable"):
                del value[key]
    for _, part, child in _children(schema, value):
        _prune_nulls(part, child)


def _default(schema: Any, value: Any) -> None:
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            if key not in value and "default" in part:
                value[key] = copy.deepcopy(part["default"])
    for _, part, child in _children(schema, value):
        _default(part, child)


def _unknown(schema: Any, value: Any, path: str) -> Iterator[str]:
    if (
        isinstance(value, dict)
        and "properties" in schema
        and not schema.get("x-kubernetes-preserve-unknown-fields")
    ):
        own = (
            {"apiVersion", "kind", "metadata"}
            if not path or schema.get("x-kubernetes-embedded-resource")
            else set()
        )
        for key in value.keys() - schema["properties"].keys() - own:
            if "additionalProperties" not in schema:
                yield f"{path}.{key}".lstrip(".") + ": unknown field"
    for key, part, child in _children(schema, value):
        if not (not path and key == "metadata"):
            yield from _unknown(part, child, f"{path}.{key}")


def _broken_rules(schema: Any, value: Any, path: str) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" in rule["rule"]:
            continue  # a rule of changes
        if not _program(rule["rule"]).evaluate({"self": adapter.json_to_cel(value)}):
            yield f"{path.lstrip('.')}: {rule.get('message', rule['rule'])}"
    for key, part, child in _children(schema, value):
        yield from _broken_rules(part, child, f"{path}.{key}")


@lru_cache(maxsize=256)
def _program(rule: str) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule))


def _repeated(schema: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list) and schema.get("x-kubernetes-list-type") in ("map", "set"):
        keys = schema.get("x-kubernetes-list-map-keys")
        names = [tuple(str(entry.get(key)) for key in keys) if keys else str(entry) for entry in value]
        for name in {name for name in names if names.count(name) > 1}:
            yield f"{path.lstrip('.')}: {name} stands there twice"
    for key, part, child in _children(schema, value):
        yield from _repeated(part, child, f"{path}.{key}")
