"""Bounds of worker groups, for a cluster that runs: KubeRay makes it with them, and never looks at them again.

The operator leaves `replicas`, `minReplicas` and `maxReplicas` out of the hash by which it knows a changed cluster,
since Ray's autoscaler writes `replicas` too (ray-project/kuberay #2331, #4568). So whoever changes them in a RayService
changes them in its RayCluster as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SIZES = ("replicas", "minReplicas", "maxReplicas")
"""Fields of a worker group that say how many pods it has."""


def changed_bounds(wanted: Mapping[str, Any], running: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say what to change in a running cluster so that its groups have the wanted bounds.

    Args:
        wanted: a RayClusterSpec, as the RayService has it.
        running: the spec of the RayCluster.

    Returns:
        Operations of a JSON patch, which fails where a group has moved meanwhile; none where nothing differs.
    """
    # Where the autoscaler runs, `replicas` is its to write.
    kept = SIZES[1:] if wanted.get("enableInTreeAutoscaling") else SIZES
    groups = {group["groupName"]: group for group in wanted["workerGroupSpecs"]}
    return [
        operation
        for index, group in enumerate(running["workerGroupSpecs"])
        if group["groupName"] in groups
        for operation in _changes(f"/spec/workerGroupSpecs/{index}", groups[group["groupName"]], group, kept)
    ]


def _changes(
    path: str, wanted: Mapping[str, Any], running: Mapping[str, Any], kept: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    different = [name for name in kept if wanted[name] != running.get(name)]
    if different:
        yield {"op": "test", "path": f"{path}/groupName", "value": running["groupName"]}
    for name in different:
        yield {"op": "add", "path": f"{path}/{name}", "value": wanted[name]}
