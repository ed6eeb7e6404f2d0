"""The submitter of a RayJob: a Job of the operator's whose pod prints what the driver prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.kubernetes.client import KubernetesClient, Thing

_LABEL = "batch.kubernetes.io/job-name"


def submitter_pods(client: KubernetesClient, job: Mapping[str, Any]) -> list[Thing]:
    """Find the pods of a RayJob's submitter; a second one follows where the first was lost.

    Args:
        client: the cluster.
        job: the RayJob.

    Returns:
        Them, the oldest first.
    """
    metadata = job["metadata"]
    pods = client.all("Pod", selector=f"{_LABEL}={metadata['name']}", namespace=metadata["namespace"])
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))


def printed_by(client: KubernetesClient, pod: Mapping[str, Any]) -> bytes:
    """Read what a pod's first container has printed.

    Args:
        client: the cluster.
        pod: the pod.

    Returns:
        What the kubelet still has of it.
    """
    metadata, container = pod["metadata"], pod["spec"]["containers"][0]["name"]
    return client.log(metadata["name"], container=container, namespace=metadata["namespace"])
