"""RayJobs, as an API server and the operator see them."""

from __future__ import annotations

from typing import Any

import pytest
from crd import HAVE_CRDS, operator_faults, validate
from pod_templates import CPU_GROUP, GPU_GROUP, templates

from tunesmith.config.clusters import Workspace
from tunesmith.config.train import ResourcesConfig
from tunesmith.errors import ConfigError
from tunesmith.kubernetes.ray_job import Run, ray_job

CPU = ResourcesConfig(num_workers=2, cpus_per_worker=1)
GPUS = ResourcesConfig(num_workers=16, cpus_per_worker=4, gpus_per_worker=1)
SPACE = Workspace(namespace="tunesmith")


def make(resources: ResourcesConfig = CPU, space: Workspace = SPACE, changes: Any = None, **run: Any) -> Any:
    command = ["tunesmith", "train", "--attempt", "/objects/a b"]
    return ray_job(
        Run("ftjob-1-1", command, resources, **{"project": "acme", "objects": "projects/acme", **run}),
        templates(**(changes or {})),
        workspace=space,
        release="ts",
    )


@pytest.mark.skipif(not HAVE_CRDS, reason="KubeRay's CRDs do not lie beside the checkout")
@pytest.mark.parametrize("resources", [CPU, GPUS])
@pytest.mark.parametrize("queue", [None, "gpus"])
@pytest.mark.parametrize("deadline", [None, 3600])
@pytest.mark.parametrize("autoscaling", [False, True])
def test_the_server_and_the_operator_take_it(
    resources: ResourcesConfig, queue: str | None, deadline: int | None, autoscaling: bool
) -> None:
    changes = {"training": {"activeDeadlineSeconds": deadline, "autoscaling": autoscaling}}
    job = make(
        resources, Workspace(namespace="a", queue=queue), changes, config_map="recipe", mount="/etc/run"
    )
    assert validate(job) == []
    assert operator_faults(job) == []


def test_the_entrypoint_is_quoted_and_the_submission_is_the_attempt() -> None:
    spec = make()["spec"]
    assert spec["entrypoint"] == "tunesmith train --attempt '/objects/a b'"
    assert spec["jobId"] == "ftjob-1-1"


def test_token_authentication_and_a_head_without_work() -> None:
    cluster = make()["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_all_pods_of_a_run_are_asked_for_at_once() -> None:
    (group,) = make(GPUS)["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert (group["groupName"], group["replicas"], group["minReplicas"], group["maxReplicas"]) == (
        "h100",
        2,
        2,
        2,
    )


def test_gpus_leave_at_once_and_the_logs_of_the_head_stay() -> None:
    rules = make(GPUS)["spec"]["deletionStrategy"]["deletionRules"]
    assert {"policy": "DeleteWorkers", "condition": {"jobStatus": "FAILED", "ttlSeconds": 0}} in rules
    assert {"policy": "DeleteCluster", "condition": {"jobStatus": "SUCCEEDED", "ttlSeconds": 600}} in rules
    given_up = [rule["policy"] for rule in rules if rule["condition"].get("jobDeploymentStatus")]
    assert given_up == ["DeleteCluster", "DeleteSelf"]


def test_in_a_queue_it_waits_for_admission() -> None:
    job = make(GPUS, Workspace(namespace="a", queue="gpus"))
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert (job["spec"]["suspend"], job["spec"]["shutdownAfterJobFinishes"]) == (True, True)
    assert "deletionStrategy" not in job["spec"]


def test_golden_nccl_over_nodes() -> None:
    worker = make(GPUS)["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]
    env = {variable["name"]: variable["value"] for variable in worker["containers"][0]["env"]}
    assert env == {
        "HF_HOME": "/cache/hf",
        "NCCL_DEBUG": "WARN",
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        "NCCL_SOCKET_IFNAME": "^lo,docker",
    }
    assert [toleration["key"] for toleration in worker["tolerations"]] == [
        "nvidia.com/gpu",
        "cloud.google.com/gke-spot",
    ]


def test_no_nccl_within_one_gpu_or_without_one() -> None:
    for resources in (CPU, ResourcesConfig(num_workers=1, gpus_per_worker=1)):
        worker = make(resources)["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]
        assert [variable["name"] for variable in worker["containers"][0]["env"]] == ["HF_HOME"]


def test_the_chart_has_the_last_word_on_a_variable() -> None:
    job = make(environment={"HF_HOME": "/elsewhere", "NEW": "1"})
    (head,) = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    assert head["env"] == [{"name": "HF_HOME", "value": "/cache/hf"}, {"name": "NEW", "value": "1"}]


def test_templates_are_not_used_up() -> None:
    shared = templates()
    for _ in range(2):
        job = ray_job(
            Run("a", ["b"], CPU, "acme", "projects/acme", environment={"X": "1"}),
            shared,
            workspace=SPACE,
            release="ts",
        )
    (head,) = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    assert [variable["name"] for variable in head["env"]] == ["HF_HOME", "X"]


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (ResourcesConfig(num_workers=64, gpus_per_worker=1), "h100 has 2 pods at most and 8 are needed"),
        (ResourcesConfig(num_workers=1, gpus_per_worker=16), "a pod of h100 has 8 GPUs"),
        (
            ResourcesConfig(num_workers=1, cpus_per_worker=32),
            "a pod of cpu has 4 CPUs; h100 is kept for runs with GPUs",
        ),
    ],
)
def test_what_no_group_can_hold_is_refused(resources: ResourcesConfig, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(resources)


def test_wrong_templates_are_told_together() -> None:
    training = {
        "workerGroups": [{**CPU_GROUP, "template": "gone.yaml"}, {**GPU_GROUP, "template": "lost.yaml"}]
    }
    with pytest.raises(ConfigError, match=r"(?s)gone\.yaml.*lost\.yaml"):
        templates(training=training)


def test_bounds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="minReplicas=9 is more than maxReplicas=4"):
        templates(serving={"workerGroups": [{**CPU_GROUP, "minReplicas": 9}]})
    with pytest.raises(ConfigError, match="Set both for a GPU group"):
        templates(serving={"workerGroups": [{**CPU_GROUP, "accelerators": 1}]})


def test_a_project_without_a_namespace_does_not_run_in_another_ones() -> None:
    config = templates(workspaces=[{"namespace": "a", "project": "one"}]).config
    assert config.workspace("one").namespace == "a"
    with pytest.raises(ConfigError, match="Project two has no namespace"):
        config.workspace("two")
