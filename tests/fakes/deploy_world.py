"""Objects of a cluster that a release can be put into."""

from __future__ import annotations

from typing import Any


def definition(*, history_server: bool = True) -> dict[str, Any]:
    """KubeRay's CRD of RayJobs, as far as it is looked at: of 1.7, or of 1.5, which has deletion rules already."""
    strategy = {"properties": {"deletionRules": {}}}
    cluster = {"properties": {"historyServerOptions": {}} if history_server else {}}
    spec = {"properties": {"deletionStrategy": strategy, "rayClusterSpec": cluster}}
    schema = {"openAPIV3Schema": {"properties": {"spec": spec}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rayjobs.ray.io"},
        "spec": {"versions": [{"name": "v1", "schema": schema}]},
    }


def operator(*, image: str = "quay.io/kuberay/operator:v1.7.0", ready: int = 1) -> dict[str, Any]:
    """The operator's Deployment."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "kuberay-operator",
            "namespace": "kuberay",
            "labels": {"app.kubernetes.io/name": "kuberay-operator"},
        },
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
        "status": {"readyReplicas": ready},
    }


def node(name: str = "n1", gpus: int = 0, **labels: str) -> dict[str, Any]:
    """A node."""
    allocatable = {"cpu": "8", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": allocatable},
    }
