"""What the KubeRay operator makes of RayServices: RayClusters, which it leaves as they are while only sizes differ."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from api_server import FakeApiServer

_HASH = "ray.io/hash-without-replicas-and-workers-to-delete"
_SIZES = {"replicas", "minReplicas", "maxReplicas", "scaleStrategy"}


def make_clusters(server: FakeApiServer) -> list[dict[str, Any]]:
    """Look at each RayService as the operator does: a first cluster, another one for other pods, else nothing.

    Args:
        server: where they lie.

    Returns:
        Copies of the clusters that serve.
    """
    return [copy.deepcopy(_cluster_of(server, service)) for service in server.all("RayService")]


def _cluster_of(server: FakeApiServer, service: dict[str, Any]) -> dict[str, Any]:
    metadata, spec = service["metadata"], service["spec"]["rayClusterConfig"]
    name = f"{metadata['name']}-{_hash(spec)[:5]}"
    active = service.get("status", {}).get("activeServiceStatus", {}).get("rayClusterName")
    if active:
        cluster = server.find("RayCluster", active, metadata["namespace"])
        assert cluster is not None
        if cluster["metadata"]["annotations"][_HASH] == _hash(spec):
            return cluster
    cluster = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": dict(metadata["labels"]),
            "annotations": {**metadata["annotations"], _HASH: _hash(spec)},
        },
        "spec": spec,
    }
    status = {"activeServiceStatus": {"rayClusterName": name}}
    server.set_status("RayService", metadata["name"], status, metadata["namespace"])
    return server.put(cluster)


def _hash(spec: dict[str, Any]) -> str:
    groups = [
        {key: value for key, value in group.items() if key not in _SIZES}
        for group in spec["workerGroupSpecs"]
    ]
    said = json.dumps({**spec, "workerGroupSpecs": groups}, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
