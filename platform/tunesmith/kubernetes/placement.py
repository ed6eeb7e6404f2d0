"""Which worker group a run goes to, and how many of its pods it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.config.clusters import WorkerGroup
from tunesmith.config.train import ResourcesConfig
from tunesmith.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Placement:
    """Pods for the workers of a run.

    Attributes:
        group: the group that they belong to.
        replicas: how many replicas of it; each is `num_of_hosts` pods.
    """

    group: WorkerGroup
    replicas: int

    @property
    def accelerators(self) -> int:
        """GPUs that all of its pods hold."""
        return self.replicas * self.group.num_of_hosts * self.group.accelerators


def place_workers(resources: ResourcesConfig, groups: Sequence[WorkerGroup]) -> Placement:
    """Find the first group that can hold the run; all its pods are asked for at once, so that none waits for others.

        4 workers of 1 GPU, pods of 2 GPUs  ->  2 pods
        2 workers of 1 CPU, pods of 4 CPUs  ->  1 pod

    Args:
        resources: what the recipe asks for.
        groups: the groups of the training clusters, the most preferred first.

    Returns:
        Group and number of pods.

    Raises:
        ConfigError: no group can hold it; says why for each.
    """
    faults = []
    for group in groups:
        each = _workers_of_a_pod(resources, group)
        replicas = math.ceil(resources.num_workers / each / group.num_of_hosts) if each else 0
        if each and replicas <= group.max_replicas:
            return Placement(group, replicas)
        faults.append(_why_not(resources, group, each, replicas))
    raise ConfigError(
        f"No worker group can hold {resources.num_workers} workers of {resources.cpus_per_worker:g} CPUs and "
        f"{resources.gpus_per_worker:g} GPUs: {'; '.join(faults)}. Ask for less with --set resources.num_workers=N, "
        "or raise training.workerGroups in the chart's values.",
        code="no_such_group",
    )


def _workers_of_a_pod(resources: ResourcesConfig, group: WorkerGroup) -> int:
    by_cpu = math.floor(group.cpus / resources.cpus_per_worker + 1e-9)
    if not resources.gpus_per_worker:
        # A run without GPUs in a pod with GPUs would hold them idle.
        return 0 if group.accelerators else by_cpu
    return min(by_cpu, math.floor(group.accelerators / resources.gpus_per_worker + 1e-9))


def _why_not(resources: ResourcesConfig, group: WorkerGroup, each: int, replicas: int) -> str:
    if each:
        return f"{group.name} has {group.max_replicas} pods at most and {replicas} are needed"
    if resources.gpus_per_worker > group.accelerators:
        return f"a pod of {group.name} has {group.accelerators} GPUs"
    if group.accelerators and not resources.gpus_per_worker:
        return f"{group.name} is kept for runs with GPUs"
    return f"a pod of {group.name} has {group.cpus:g} CPUs"
