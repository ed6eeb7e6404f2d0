"""RayCluster specs: a head that schedules nothing, and worker groups, filled from the pod templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.config.clusters import ClusterShape, WorkerGroup
from tunesmith.kubernetes.templates import ClusterTemplates


@dataclass(frozen=True, slots=True)
class GroupSize:
    """A worker group and how many pods of it.

    Attributes:
        group: the group.
        replicas: at the start.
        least: fewest.
        most: most.
    """

    group: WorkerGroup
    replicas: int
    least: int
    most: int

    @classmethod
    def fixed(cls, group: WorkerGroup, replicas: int) -> GroupSize:
        """A group that never scales.

        Args:
            group: the group.
            replicas: its size.

        Returns:
            The size.
        """
        return cls(group, replicas, replicas, replicas)

    @classmethod
    def scaling(cls, group: WorkerGroup) -> GroupSize:
        """A group between its own bounds.

        Args:
            group: the group.

        Returns:
            The size.
        """
        start = min(max(group.replicas, group.min_replicas), group.max_replicas)
        return cls(group, start, group.min_replicas, group.max_replicas)


def cluster_spec(
    templates: ClusterTemplates,
    shape: ClusterShape,
    sizes: Sequence[GroupSize],
    *,
    labels: Mapping[str, str],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """Describe a cluster.

    Args:
        templates: the pod templates.
        shape: of clusters that serve or train.
        sizes: its worker groups.
        labels: go onto every pod, beside the template's own.
        environment: for Ray's container of every pod; what the template sets wins.

    Returns:
        A RayClusterSpec.
    """
    spec: dict[str, Any] = {
        "rayVersion": templates.config.ray_version,
        "authOptions": dict(templates.config.auth_options),
        "enableInTreeAutoscaling": shape.autoscaling,
        "headGroupSpec": {
            "rayStartParams": dict(shape.head.ray_start_params),
            "template": fill_pod(templates.pod(shape.head.template), labels, environment),
        },
        "workerGroupSpecs": [
            _group_spec(size, fill_pod(templates.pod(size.group.template), labels, environment))
            for size in sizes
        ],
    }
    if shape.autoscaling and shape.autoscaler_options:
        spec["autoscalerOptions"] = dict(shape.autoscaler_options)
    if shape.gcs_fault_tolerance_options:
        spec["gcsFaultToleranceOptions"] = dict(shape.gcs_fault_tolerance_options)
    return spec


def fill_pod(
    template: dict[str, Any], labels: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Add labels and variables to a pod template, in place.

    Args:
        template: a PodTemplateSpec of one's own.
        labels: added to its labels.
        environment: added to its first container's. What stands there already wins: the chart has the last word.

    Returns:
        The template.
    """
    metadata = template.setdefault("metadata", {})
    # Its network policies select the pods by the labels that the chart gave them.
    metadata["labels"] = {**labels, **(metadata.get("labels") or {})}
    container = template["spec"]["containers"][0]
    variables = container.setdefault("env", [])
    told = {variable["name"] for variable in variables}
    variables += [{"name": name, "value": value} for name, value in environment.items() if name not in told]
    return template


def _group_spec(size: GroupSize, template: dict[str, Any]) -> dict[str, Any]:
    group = size.group
    spec: dict[str, Any] = {
        "groupName": group.name,
        "replicas": size.replicas,
        "minReplicas": size.least,
        "maxReplicas": size.most,
        "numOfHosts": group.num_of_hosts,
        "rayStartParams": dict(group.ray_start_params),
        "template": template,
    }
    if group.idle_timeout_seconds is not None:
        spec["idleTimeoutSeconds"] = group.idle_timeout_seconds
    return spec
