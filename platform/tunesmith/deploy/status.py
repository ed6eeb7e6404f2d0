"""What a release does at the moment: what is served where, who holds which GPUs, what trains and what waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tunesmith.deploy.own_objects import objects_made
from tunesmith.errors import PermissionDeniedError
from tunesmith.kubernetes.client import KubernetesClient, Thing
from tunesmith.kubernetes.names import BASE_ANNOTATION, FENCE_LABEL, JOB_LABEL
from tunesmith.kubernetes.reasons import why_job_waits, why_pod_waits
from tunesmith.kubernetes.usage import GpuUsage, gpu_usage

_INSTANCE = "app.kubernetes.io/instance"


@dataclass(frozen=True, slots=True)
class Served:
    """A served base."""

    base: str
    ready: bool
    address: str
    message: str


@dataclass(frozen=True, slots=True)
class Running:
    """A RayJob."""

    name: str
    job: str
    attempt: str
    state: str
    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """A Deployment of the control plane."""

    name: str
    ready: int
    wanted: int
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseStatus:
    """All of it.

    Attributes:
        parts: the control plane.
        served: the bases.
        jobs: what trains and what waits.
        gpus: of the whole cluster; None where this account may not see it.
    """

    parts: tuple[Part, ...]
    served: tuple[Served, ...]
    jobs: tuple[Running, ...]
    gpus: tuple[GpuUsage, ...] | None


def release_status(client: KubernetesClient, *, release: str) -> ReleaseStatus:
    """Look at a release.

    Args:
        client: its cluster and namespace.
        release: its name, as the objects bear it.

    Returns:
        What was found; empty where it is not installed.

    Raises:
        PlatformError: the cluster cannot be read.
    """
    own = f"{_INSTANCE}={release}"
    pods = client.all("Pod", selector=own)
    return ReleaseStatus(
        parts=tuple(_part(thing, pods) for thing in client.all("Deployment", selector=own)),
        served=tuple(_served(thing) for thing in objects_made(client, "RayService", release)),
        jobs=tuple(_running(client, thing) for thing in objects_made(client, "RayJob", release)),
        gpus=_gpus(client),
    )


def _part(deployment: Thing, pods: list[Thing]) -> Part:
    name = deployment["metadata"]["name"]
    status: dict[str, Any] = deployment.get("status") or {}
    wanted, ready = deployment["spec"].get("replicas", 1), status.get("readyReplicas", 0)
    own = [pod for pod in pods if pod["metadata"]["name"].startswith(f"{name}-")]
    reason = next((why for pod in own if (why := why_pod_waits(pod))), "") if ready < wanted else ""
    return Part(name, ready, wanted, reason)


def _served(service: Thing) -> Served:
    metadata, status = service["metadata"], service.get("status") or {}
    conditions: list[dict[str, Any]] = status.get("conditions", [])
    ready: dict[str, Any] = next((each for each in conditions if each.get("type") == "Ready"), {})
    address = f"http://{metadata['name']}-serve-svc.{metadata['namespace']}.svc:8000"
    base = (metadata.get("annotations") or {}).get(BASE_ANNOTATION, metadata["name"])
    is_ready = ready.get("status") == "True"
    return Served(base, is_ready, address, "" if is_ready else str(ready.get("message") or "starting"))


def _running(client: KubernetesClient, job: Thing) -> Running:
    labels, status = job["metadata"].get("labels") or {}, job.get("status") or {}
    return Running(
        name=job["metadata"]["name"],
        job=labels.get(JOB_LABEL, ""),
        attempt=labels.get(FENCE_LABEL, ""),
        state=status.get("jobDeploymentStatus") or "New",
        queue=labels.get("kueue.x-k8s.io/queue-name", ""),
        reason=why_job_waits(client, job) or "",
    )


def _gpus(client: KubernetesClient) -> tuple[GpuUsage, ...] | None:
    try:
        return tuple(gpu_usage(client.all("Node"), client.all("Pod", namespace="*")))
    except PermissionDeniedError:
        return None
