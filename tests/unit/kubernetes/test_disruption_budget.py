from __future__ import annotations

from typing import Any

import pytest
from pod_templates import templates

from tunesmith.config.clusters import WorkerGroup
from tunesmith.config.serve import BaseConfig
from tunesmith.kubernetes.disruption_budget import disruption_budgets
from tunesmith.kubernetes.ray_service import ray_service, serving_groups


def _groups(**fewest: int) -> list[WorkerGroup]:
    """The engine's group of GPUs and the one of retrieval, with these least pods."""
    groups = serving_groups(templates().config.serving, "h100")
    return [group.model_copy(update={"min_replicas": fewest.get(group.name, 0)}) for group in groups]


def _budgets(base: BaseConfig, groups: list[WorkerGroup]) -> dict[str, dict[str, Any]]:
    made = ray_service(base.model, {}, templates(), group="h100", namespace="tunesmith", release="ts")
    service = {**made, "metadata": {**made["metadata"], "uid": "u-1"}}
    budgets = disruption_budgets(service, base, groups)
    return {budget["spec"]["selector"]["matchLabels"]["ray.io/group"]: budget for budget in budgets}


@pytest.mark.parametrize(
    ("base", "fewest", "kept"),
    [
        ({"min_replicas": 1}, {}, {"h100": 0, "cpu": 0}),
        ({"min_replicas": 0}, {"cpu": 1}, {"h100": 0, "cpu": 0}),
        ({"min_replicas": 3, "max_replicas": 3, "tensor_parallel_size": 8}, {}, {"h100": 2, "cpu": 0}),
        ({"min_replicas": 2, "max_replicas": 2, "tensor_parallel_size": 2}, {}, {"h100": 0, "cpu": 0}),
        ({"min_replicas": 1, "pipeline_parallel_size": 2, "tensor_parallel_size": 8}, {}, {"h100": 1, "cpu": 0}),
        ({"min_replicas": 1}, {"h100": 2, "cpu": 3}, {"h100": 1, "cpu": 2}),
    ],
)  # fmt: skip
def test_a_drain_leaves_all_but_one_of_the_pods_that_there_are_for_certain(
    base: dict[str, int], fewest: dict[str, int], kept: dict[str, int]
) -> None:
    budgets = _budgets(BaseConfig(model="Qwen/Qwen3-8B", **base), _groups(**fewest))
    assert {group: budget["spec"]["minAvailable"] for group, budget in budgets.items()} == kept


def test_a_budget_counts_the_pods_of_its_base_and_group_and_goes_with_its_service() -> None:
    budget = _budgets(BaseConfig(model="Qwen/Qwen3-8B"), _groups())["h100"]
    made = ray_service("Qwen/Qwen3-8B", {}, templates(), group="h100", namespace="tunesmith", release="ts")
    groups = made["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (group,) = [group for group in groups if group["groupName"] == "h100"]
    # What the operator adds to a worker's labels is the group's name.
    labels = {**group["template"]["metadata"]["labels"], "ray.io/group": "h100"}
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (owner,) = budget["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("RayService", made["metadata"]["name"], "u-1")
    assert "maxUnavailable" not in budget["spec"], "Kubernetes counts it of no RayCluster"
