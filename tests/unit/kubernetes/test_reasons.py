"""One line that says why, for each way in which a job can hang."""

from __future__ import annotations

from typing import Any

import pytest
from api_server import FakeApiServer

from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.reasons import why_job_waits

INITIALIZING = {"jobDeploymentStatus": "Initializing", "rayClusterName": "a-xyz"}


def ray_job(status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    labels = {"kueue.x-k8s.io/queue-name": "gpus"}
    return {
        "kind": "RayJob",
        "metadata": {"name": "a", "namespace": "tunesmith", "uid": "1", "labels": labels},
        "spec": spec,
        "status": status,
    }


def add_pod(server: FakeApiServer, name: str = "p", **status: Any) -> None:
    limits = {"nvidia.com/gpu": 8}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"ray.io/cluster": "a-xyz"}},
        "spec": {
            "containers": [{"name": "ray", "resources": {"limits": limits}}],
            "nodeSelector": {"gpu": "h100"},
        },
        "status": status,
    }
    server.put(pod)


def unscheduled(message: str) -> dict[str, Any]:
    return {
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        ]
    }


def waiting(reason: str, message: str = "", *, printed: str = "") -> dict[str, Any]:
    state = {
        "name": "ray",
        "image": "tunesmith:9",
        "state": {"waiting": {"reason": reason, "message": message}},
    }
    return {"containerStatuses": [{**state, "lastState": ended(1, printed)}]}


def ended(code: int, printed: str = "") -> dict[str, Any]:
    return {"terminated": {"reason": "Error", "exitCode": code, **({"message": printed} if printed else {})}}


def failed(code: int, printed: str = "") -> dict[str, Any]:
    return {"phase": "Failed", "containerStatuses": [{"name": "ray", "state": ended(code, printed)}]}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            unscheduled("0/5 nodes are available: 5 Insufficient nvidia.com/gpu."),
            "No node has 8 x nvidia.com/gpu free: 0/5",
        ),
        (
            unscheduled("0/5 nodes are available: 5 node(s) didn't match Pod's node affinity/selector."),
            "No node fits gpu=h100: 0/5 nodes",
        ),
        (unscheduled("pod has unbound immediate PersistentVolumeClaims"), "Its volume is not bound"),
        (unscheduled("0/5 nodes are available: 5 Insufficient cpu."), "No node has room: 0/5 nodes"),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "tunesmith:9"'),
            "Image tunesmith:9 cannot be pulled: Back-off",
        ),
        (
            waiting("CreateContainerConfigError", 'secret "hf" not found'),
            'A container cannot be set up: secret "hf" not found',
        ),
        (waiting("CrashLoopBackOff"), "Container ray keeps ending (Error, exit code 1): kubectl logs -p p"),
        (
            waiting("CrashLoopBackOff", printed="it starts\nerror: No route to the database.\n"),
            "Container ray keeps ending (Error, exit code 1): No route to the database",
        ),
        (
            failed(2, "error: TUNESMITH_DATABASE_URL is not an address."),
            "Container ray has ended (Error, exit code 2): TUNESMITH_DATABASE_URL is not",
        ),
        (failed(137), "Container ray has ended (Error, exit code 137): kubectl logs p"),
        ({"phase": "Running"}, None),
    ],
)
def test_pods(
    server: FakeApiServer, client: KubernetesClient, status: dict[str, Any], said: str | None
) -> None:
    add_pod(server, **status)
    told = why_job_waits(client, ray_job(INITIALIZING))
    assert told is None if said is None else (told or "").startswith(said), told
    assert told is None or "\n" not in told


def test_the_worst_of_several_pods_is_told(server: FakeApiServer, client: KubernetesClient) -> None:
    add_pod(server, "a", **unscheduled("0/5 nodes are available: 5 Insufficient cpu."))
    add_pod(server, "b", **waiting("ErrImagePull", "not found"))
    add_pod(server, "c", phase="Running")
    told = why_job_waits(client, ray_job(INITIALIZING))
    assert told is not None
    assert told.startswith("Image tunesmith:9 cannot be pulled")
    assert told.endswith("(2 of 3 pods wait)")


def test_an_ordinary_quota(server: FakeApiServer, client: KubernetesClient) -> None:
    message = 'pods "a" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=8, limited: 4'
    server.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "e"},
            "type": "Warning",
            "reason": "FailedToCreateWorkerPod",
            "message": message,
            "involvedObject": {"name": "a-xyz"},
        }
    )
    assert why_job_waits(client, ray_job(INITIALIZING)) == f"Pods cannot be made: {message}"


@pytest.mark.parametrize("old_kinds", [set(), {"Workload"}], ids=["v1beta2", "v1beta1"])
def test_kueue_holds_it(server: FakeApiServer, client: KubernetesClient, old_kinds: set[str]) -> None:
    server.old_kinds = old_kinds
    condition = {
        "type": "QuotaReserved",
        "status": "False",
        "message": "couldn't assign flavors to pod set worker: insufficient unused quota for nvidia.com/gpu",
    }
    job = ray_job({"jobDeploymentStatus": "Suspended"}, suspend=True)
    assert "Kueue has not taken it" in (why_job_waits(client, job) or "")
    server.missing_kinds = {"Workload"}
    assert "is Kueue installed" in (why_job_waits(client, job) or "")
    server.missing_kinds = set()
    server.forbidden = {("list", "workloads")}
    assert why_job_waits(client, job) == "Waits in queue gpus; what for, this account may not see"
    server.forbidden = set()
    server.put(
        {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "Workload",
            "metadata": {"name": "w", "ownerReferences": [{"uid": "1"}]},
            "status": {"conditions": [condition]},
        }
    )
    assert (why_job_waits(client, job) or "").startswith("Waits in queue gpus: couldn't assign flavors")


def test_the_operator_refuses_it(client: KubernetesClient) -> None:
    job = ray_job({"jobDeploymentStatus": "ValidationFailed", "message": "backoffLimit\nmust be positive"})
    assert why_job_waits(client, job) == "KubeRay refuses it: backoffLimit must be positive"


@pytest.mark.parametrize("stage", ["Running", "Complete", "Failed", ""])
def test_nothing_is_wrong(client: KubernetesClient, stage: str) -> None:
    assert why_job_waits(client, ray_job({"jobDeploymentStatus": stage})) is None
