"""What is wrong with a cluster, before a release is put into it.

Every check is made even where one before it fails, but for the first: without an answer there is nothing to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tunesmith.deploy.findings import Finding
from tunesmith.errors import DependencyError, NotFoundError, PermissionDeniedError, PlatformError
from tunesmith.kubernetes.client import KubernetesClient, Thing
from tunesmith.kubernetes.usage import GPU_RESOURCES, quantity

_OLDEST, _NEWEST = (1, 30), (1, 36)
_KUBERAY = "1.7"
_INSTALL_KUBERAY = (
    "helm repo add kuberay https://ray-project.github.io/kuberay-helm && helm install kuberay-operator "
    "kuberay/kuberay-operator --version 1.7.0 -n kuberay --create-namespace"
)
_NEEDED = (
    ("create", "Deployment", ""),
    ("create", "Service", ""),
    ("create", "ConfigMap", ""),
    ("create", "Job", ""),
    ("create", "Secret", ""),
    ("create", "ServiceAccount", ""),
    ("create", "Role", ""),
    ("create", "RoleBinding", ""),
    ("create", "NetworkPolicy", ""),
    ("create", "PodDisruptionBudget", ""),
    ("create", "RayJob", ""),
    ("create", "RayService", ""),
    ("list", "Pod", ""),
    ("get", "Pod", "log"),
)


def examine_cluster(client: KubernetesClient, *, needs_gpu: bool = False) -> list[Finding]:
    """Look at versions, kinds, the operator, nodes, storage, quotas and permissions.

    Args:
        client: the cluster, and the namespace to install into.
        needs_gpu: whether the release asks for GPUs; a cluster without any is then bad.

    Returns:
        What was found, good and bad.
    """
    reach = _version(client)
    if reach.verdict == "bad" and "Kubernetes" not in reach.detail:
        return [reach]
    return [
        reach,
        _checked("namespace", lambda: _namespace(client)),
        _checked("KubeRay", lambda: _kuberay(client)),
        _checked("operator", lambda: _operator(client)),
        _checked("Kueue", lambda: _kueue(client)),
        _checked("GPUs", lambda: _gpus(client, needs_gpu=needs_gpu)),
        _checked("storage", lambda: _storage(client)),
        _checked("quotas", lambda: _quotas(client)),
        _checked("permissions", lambda: _permissions(client)),
    ]


def _checked(what: str, look: Callable[[], Finding]) -> Finding:
    """What may not be looked at is not bad by that; it is only not known."""
    try:
        return look()
    except PermissionDeniedError as error:
        return Finding(what, "warn", f"not known: {error.message}")
    except PlatformError as error:
        return Finding(what, "bad", error.message)


def _version(client: KubernetesClient) -> Finding:
    try:
        version = client.version()
    except PlatformError as error:
        return Finding("API server", "bad", error.message)
    shown = f"Kubernetes {version[0]}.{version[1]} at {client.server} (context {client.context})"
    if version < _OLDEST:
        return Finding("API server", "bad", f"{shown}; 1.30 or newer is needed: upgrade it")
    if version > _NEWEST:
        return Finding("API server", "warn", f"{shown}; newer than what the tests know (1.36)")
    return Finding("API server", "ok", shown)


def _namespace(client: KubernetesClient) -> Finding:
    if client.get("Namespace", client.namespace) is None:
        return Finding("namespace", "warn", f"{client.namespace} is not there; the installation makes it")
    return Finding("namespace", "ok", client.namespace)


def _kuberay(client: KubernetesClient) -> Finding:
    try:
        for kind in ("RayJob", "RayService"):
            client.all(kind)
    except DependencyError:
        return Finding("KubeRay", "bad", f"its kinds are not there. Install it: {_INSTALL_KUBERAY}")
    definition = client.get("CustomResourceDefinition", "rayjobs.ray.io")
    if definition is None:
        return Finding("KubeRay", "warn", "RayJobs are served, their definition is not to be seen")
    if not _knows_history_server(definition):
        return Finding(
            "KubeRay",
            "bad",
            "its definitions are older than 1.7: RayJob lacks rayClusterSpec.historyServerOptions, which came with it. "
            "Helm never upgrades them. kubectl apply --server-side -k "
            "'github.com/ray-project/kuberay/ray-operator/config/crd?ref=v1.7.0', then upgrade the operator",
        )
    return Finding("KubeRay", "ok", "RayJob and RayService, with the fields of 1.7")


def _knows_history_server(definition: Thing) -> bool:
    """Whether a field is known that is new in 1.7; deletion rules came with 1.5 already."""
    for version in definition["spec"]["versions"]:
        schema = version.get("schema", {}).get("openAPIV3Schema", {})
        spec = schema.get("properties", {}).get("spec", {}).get("properties", {})
        cluster = spec.get("rayClusterSpec", {}).get("properties", {})
        if version.get("name") == "v1" and "historyServerOptions" in cluster:
            return True
    return False


def _operator(client: KubernetesClient) -> Finding:
    found = client.all("Deployment", selector="app.kubernetes.io/name=kuberay-operator", namespace="*")
    ready = [each for each in found if (each.get("status") or {}).get("readyReplicas")]
    if not found:
        return Finding(
            "operator", "bad", f"no KubeRay operator runs, so nothing would start. {_INSTALL_KUBERAY}"
        )
    image = found[0]["spec"]["template"]["spec"]["containers"][0].get("image", "?")
    if not ready:
        space = found[0]["metadata"]["namespace"]
        return Finding("operator", "bad", f"{image} is not ready: kubectl -n {space} describe pods")
    tag = image.rpartition(":")[2].lstrip("v")
    if tag[:1].isdigit() and tuple(map(int, tag.split(".")[:2])) < tuple(map(int, _KUBERAY.split("."))):
        return Finding("operator", "bad", f"{image} is older than {_KUBERAY}: helm upgrade it")
    return Finding("operator", "ok", image)


def _kueue(client: KubernetesClient) -> Finding:
    try:
        client.all("Workload")
    except (DependencyError, NotFoundError):
        return Finding("Kueue", "ok", "not installed; without it jobs are not queued by quota")
    return Finding("Kueue", "ok", "installed")


def _gpus(client: KubernetesClient, *, needs_gpu: bool) -> Finding:
    nodes = client.all("Node")
    held: dict[str, int] = {}
    kinds: set[str] = set()
    for node in nodes:
        status = node.get("status") or {}
        for resource in GPU_RESOURCES:
            count = int(quantity(str(status.get("allocatable", {}).get(resource, "0"))))
            if count:
                held[resource] = held.get(resource, 0) + count
                labels = node["metadata"].get("labels") or {}
                kinds.add(labels.get("nvidia.com/gpu.product", "unnamed"))
    if held:
        shown = ", ".join(f"{count} x {resource}" for resource, count in held.items())
        return Finding("GPUs", "ok", f"{shown} on {len(nodes)} nodes ({', '.join(sorted(kinds))})")
    labelled = [node for node in nodes if _claims_gpu(node)]
    if labelled:
        name = labelled[0]["metadata"]["name"]
        return Finding(
            "GPUs",
            "bad",
            f"{name} has a GPU and offers none: its driver or device plugin is missing (GPU operator)",
        )
    detail = f"none on {len(nodes)} nodes"
    if needs_gpu:
        way_out = (
            "add a node pool with GPUs, or install with values for CPUs; pools that scale from zero show none"
        )
        return Finding("GPUs", "warn", f"{detail}; {way_out}")
    return Finding("GPUs", "ok", f"{detail}; tiny models run on CPUs")


def _claims_gpu(node: Thing) -> bool:
    labels = node["metadata"].get("labels") or {}
    return any("gpu" in name and value not in ("false", "") for name, value in labels.items())


def _storage(client: KubernetesClient) -> Finding:
    classes = client.all("StorageClass")
    default = [
        each["metadata"]["name"]
        for each in classes
        if (each["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class")
        == "true"
    ]
    if default:
        return Finding("storage", "ok", f"default class {default[0]}, {len(classes)} in all")
    return Finding(
        "storage", "warn", "no default StorageClass: name one in the values, or claims stay pending"
    )


def _quotas(client: KubernetesClient) -> Finding:
    full = [
        f"{quota['metadata']['name']}: {resource} {used[resource]} of {limit}"
        for quota in client.all("ResourceQuota")
        for resource, limit in ((quota.get("status") or {}).get("hard") or {}).items()
        if resource in (used := (quota.get("status") or {}).get("used") or {})
        and quantity(str(used[resource])) >= quantity(str(limit))
    ]
    if full:
        return Finding(
            "quotas", "warn", f"used up: {'; '.join(full)}. Have them raised, or pods cannot be made"
        )
    return Finding("quotas", "ok", f"none is used up in {client.namespace}")


def _permissions(client: KubernetesClient) -> Finding:
    refused = [
        f"{verb} {kind}{f'/{subresource}' if subresource else ''}"
        for verb, kind, subresource in _NEEDED
        if not client.may(verb, kind, subresource=subresource)
    ]
    if refused:
        return Finding(
            "permissions",
            "bad",
            f"this account may not {', '.join(refused)} in {client.namespace}. Have an administrator bind the "
            "ClusterRole `admin` and KubeRay's to it, or use another namespace",
        )
    return Finding("permissions", "ok", f"enough to install into {client.namespace}")


def faults_of(findings: Sequence[Finding]) -> list[str]:
    """What must be mended.

    Args:
        findings: of a cluster.

    Returns:
        One line each.
    """
    return [f"{finding.what}: {finding.detail}" for finding in findings if finding.verdict == "bad"]
