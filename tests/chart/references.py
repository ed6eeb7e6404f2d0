"""What no schema sees: that objects name each other rightly. Faults as sentences; an empty list is a sound rendering.

Kubernetes' published schemas let much pass that its server refuses (enum values, quantities, duplicate names, dangling
references), so each is looked at here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rendering import Objects, pod_specs

# Made by others before the release is installed: the values say so, each in its comment.
EXTERNAL_SECRETS = {
    "tunesmith-database", "tunesmith-objects", "tunesmith-tls", "tunesmith-admin", "tunesmith-admin-key", "registry",
    "hugging-face", "redis", "postgres-tunesmith", "milvus-tunesmith",
}  # fmt: skip
EXTERNAL_CLAIMS = {"models", "tunesmith-objects"}
EXTERNAL_CONFIG_MAPS = {"kube-root-ca.crt"}

_QUANTITY = re.compile(r"^[0-9]+(\.[0-9]+)?(m|k|Ki|[MGTPE]i?)?$")
_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
_ENUMS = {
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "restartPolicy": {"Always", "OnFailure", "Never"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "pathType": {"Prefix", "Exact", "ImplementationSpecific"},
}


def faults(objects: Objects) -> list[str]:
    """Everything that is wrong between and within the objects of one rendering."""
    found = [*_names(objects), *_services(objects), *_selectors(objects), *_bindings(objects)]
    for where, pod in pod_specs(objects).items():
        found += [f"{where}: {fault}" for fault in _pod(pod, objects)]
    for obj in objects:
        where = f"{obj['kind']}/{obj['metadata']['name']}"
        found += [f"{where}: {fault}" for fault in _enums(obj)]
    return found


def _names(objects: Objects) -> Iterator[str]:
    keys = [(o["kind"], o["metadata"].get("namespace", "tunesmith"), o["metadata"]["name"]) for o in objects]
    yield from (f"two objects are {key}" for key, count in Counter(keys).items() if count > 1)
    for kind, _, name in keys:
        pattern = _LABEL if kind in ("Service", "Namespace") else _SUBDOMAIN
        if not pattern.match(name) or len(name) > 63:
            yield f"{kind} {name} is no valid name"
    for obj in objects:
        for key, value in obj["metadata"].get("labels", {}).items():
            if not isinstance(value, str) or len(value) > 63:
                yield f"{obj['kind']} {obj['metadata']['name']}: label {key}={value!r} is no short string"


def _services(objects: Objects) -> Iterator[str]:
    pods = pod_specs(objects)
    for service in (o for o in objects if o["kind"] == "Service"):
        chosen = [pod for pod in pods.values() if _matches(service["spec"]["selector"], pod)]
        if not chosen:
            yield f"Service {service['metadata']['name']} selects no pod"
        ports = {
            port["name"] for pod in chosen for c in pod["spec"]["containers"] for port in c.get("ports", [])
        }
        wanted = {port["targetPort"] for port in service["spec"]["ports"]}
        if not wanted <= ports:
            yield f"Service {service['metadata']['name']} targets {wanted - ports}"
    names = {
        o["metadata"]["name"]: {p["name"] for p in o["spec"]["ports"]}
        for o in objects
        if o["kind"] == "Service"
    }
    for ingress in (o for o in objects if o["kind"] == "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                if backend["port"]["name"] not in names.get(backend["name"], set()):
                    yield f"Ingress leads to {backend}"
    for route in (o for o in objects if o["kind"] == "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            yield from (f"HTTPRoute leads to {b}" for b in rule["backendRefs"] if b["name"] not in names)


def _selectors(objects: Objects) -> Iterator[str]:
    pods = list(pod_specs(objects).values())
    for obj in objects:
        where, spec = f"{obj['kind']}/{obj['metadata']['name']}", obj.get("spec", {})
        if obj["kind"] == "Deployment" and not _matches(spec["selector"]["matchLabels"], spec["template"]):
            yield f"{where} does not select its own pods"
        if obj["kind"] in ("PodDisruptionBudget", "PodMonitor") and not _any(spec["selector"], pods):
            yield f"{where} selects no pod"
        if obj["kind"] == "NetworkPolicy" and not _any(spec["podSelector"], pods):
            yield f"{where} selects no pod"
        if obj["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            deployments = [
                o for o in objects if (o["kind"], o["metadata"]["name"]) == (target["kind"], target["name"])
            ]
            if not deployments:
                yield f"{where} scales {target}, which is not there"
            yield from (f"{where} and replicas both set" for o in deployments if "replicas" in o["spec"])
        if obj["kind"] == "NetworkPolicy":
            yield from (f"{where}: an empty peer" for rule in _rules(spec) for peer in rule if not peer)


def _rules(spec: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    yield from (rule.get("from", []) for rule in spec.get("ingress") or [])
    yield from (rule.get("to", []) for rule in spec.get("egress") or [])


def _bindings(objects: Objects) -> Iterator[str]:
    exists = {
        (o["kind"], o["metadata"].get("namespace", "tunesmith"), o["metadata"]["name"]) for o in objects
    }
    for binding in (o for o in objects if o["kind"] == "RoleBinding"):
        namespace = binding["metadata"].get("namespace", "tunesmith")
        if (binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"]) not in exists:
            yield f"RoleBinding {binding['metadata']['name']} binds {binding['roleRef']}"
        for subject in binding["subjects"]:
            if (subject["kind"], subject["namespace"], subject["name"]) not in exists:
                yield f"RoleBinding {binding['metadata']['name']} is for {subject}"


def _pod(pod: dict[str, Any], objects: Objects) -> Iterator[str]:
    spec = pod["spec"]
    exists = {(o["kind"], o["metadata"]["name"]) for o in objects}
    account = spec.get("serviceAccountName")
    if account and ("ServiceAccount", account) not in exists:
        yield f"service account {account} is not there"
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    yield from (f"two volumes are {name}" for name, count in Counter(volumes).items() if count > 1)
    for container in spec["containers"]:
        yield from _container(container, set(volumes))
    yield from (f"{kind} {name} is not there" for kind, name in named(pod) if not _known(kind, name, exists))
    wanted = spec.get("priorityClassName")
    if wanted and ("PriorityClass", wanted) not in exists:
        yield f"priority class {wanted} is not there"


def _container(container: dict[str, Any], volumes: set[str]) -> Iterator[str]:
    for what, key in (
        ("env", "name"),
        ("ports", "name"),
        ("ports", "containerPort"),
        ("volumeMounts", "mountPath"),
    ):
        values = [entry[key] for entry in container.get(what, [])]
        yield from (f"two {what} are {value}" for value, count in Counter(values).items() if count > 1)
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    if not mounted <= volumes:
        yield f"mounts {mounted - volumes}, which are no volumes"
    ports = {port["name"] for port in container.get("ports", [])}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        port = container.get(probe, {}).get("httpGet", {}).get("port")
        if port is not None and port not in ports:
            yield f"{probe} asks port {port}"
    for side, amounts in container.get("resources", {}).items():
        yield from (
            f"{side}.{k}={v} is no quantity" for k, v in amounts.items() if not _QUANTITY.match(str(v))
        )


def _known(kind: str, name: str, exists: set[tuple[str, str]]) -> bool:
    external = {
        "Secret": EXTERNAL_SECRETS,
        "ConfigMap": EXTERNAL_CONFIG_MAPS,
        "PersistentVolumeClaim": EXTERNAL_CLAIMS,
    }
    return (kind, name) in exists or name in external[kind]


def named(node: Any) -> Iterator[tuple[str, str]]:
    """Every Secret, ConfigMap and claim that a pod names, wherever it names it."""
    kinds = {
        "secretKeyRef": "Secret",
        "secretRef": "Secret",
        "configMapKeyRef": "ConfigMap",
        "configMapRef": "ConfigMap",
        "configMap": "ConfigMap",
    }
    if isinstance(node, list):
        for entry in node:
            yield from named(entry)
    if isinstance(node, dict):
        for key, value in node.items():
            if key in kinds and isinstance(value, dict):
                yield kinds[key], value["name"]
            if key == "secret" and isinstance(value, dict):
                yield "Secret", value["secretName"]
            if key == "persistentVolumeClaim":
                yield "PersistentVolumeClaim", value["claimName"]
            if key == "imagePullSecrets":
                yield from (("Secret", secret["name"]) for secret in value)
            yield from named(value)


def _enums(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, list):
        for index, entry in enumerate(node):
            yield from _enums(entry, f"{path}[{index}]")
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and value not in _ENUMS.get(key, {value}):
                yield f"{path}.{key}={value}"
            yield from _enums(value, f"{path}.{key}")


def _any(selector: dict[str, Any], candidates: list[dict[str, Any]]) -> bool:
    return any(_matches(selector["matchLabels"], candidate) for candidate in candidates)


def _matches(labels: dict[str, str], obj: dict[str, Any]) -> bool:
    own = obj["metadata"].get("labels", {})
    return all(own.get(key) == value for key, value in labels.items())
