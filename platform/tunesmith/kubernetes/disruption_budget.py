"""How many pods of a served base a drain leaves standing: one PodDisruptionBudget for each of its worker groups.

Kubernetes counts `maxUnavailable` by the scale of whatever made the pods, and a RayCluster has none; so the budget says
`minAvailable`, which is one less than there are pods when the base is smallest. Where that is one pod, nothing is kept:
a budget of one of one would hold up every drain for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.config.clusters import WorkerGroup
from tunesmith.config.serve import BaseConfig
from tunesmith.kubernetes.names import BASE_LABEL, object_name

_LONGEST = 63


def disruption_budgets(
    service: Mapping[str, Any], base: BaseConfig, groups: Sequence[WorkerGroup]
) -> list[dict[str, Any]]:
    """Describe the budgets of a base; they go with its RayService.

    Args:
        service: its RayService, as the server has it.
        base: the base.
        groups: its worker groups, the engine's first.

    Returns:
        One object a group.
    """
    engine, *_ = groups
    return [_budget(service, group, _fewest_pods(base, group, is_engine=group is engine)) for group in groups]


def _fewest_pods(base: BaseConfig, group: WorkerGroup, *, is_engine: bool) -> int:
    """Pods that a group has for certain: GPUs are nobody else's, while replicas on CPUs may share a pod."""
    fewest = group.min_replicas * group.num_of_hosts
    if is_engine and group.accelerators:
        readers = base.prefill.replicas if base.prefill else 0
        fewest = max(fewest, math.ceil((base.min_replicas + readers) * base.gpus / group.accelerators))
    return fewest


def _budget(service: Mapping[str, Any], group: WorkerGroup, fewest: int) -> dict[str, Any]:
    metadata = service["metadata"]
    owner = {
        "apiVersion": service["apiVersion"],
        "kind": service["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    pods = {BASE_LABEL: metadata["labels"][BASE_LABEL], "ray.io/group": group.name}
    instance = "app.kubernetes.io/instance"
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": object_name(metadata["name"], group.name, longest=_LONGEST),
            "namespace": metadata["namespace"],
            "labels": dict(metadata["labels"]),
            "ownerReferences": [owner],
        },
        "spec": {
            "minAvailable": max(0, fewest - 1),
            # A pod that does not serve keeps nobody's request.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {instance: metadata["labels"][instance], **pods}},
        },
    }
