"""The stand-in for the API server refuses what the server refuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from crd import HAVE_CRDS, operator_faults, validate

POD = {"spec": {"containers": [{"name": "ray", "image": "ray:1"}]}}
CLUSTER = {
    "rayVersion": "2.60.0",
    "headGroupSpec": {"rayStartParams": {}, "template": POD},
    "workerGroupSpecs": [{"groupName": "w", "minReplicas": 0, "maxReplicas": 1, "template": POD}],
}
JOB: dict[str, Any] = {
    "apiVersion": "ray.io/v1",
    "kind": "RayJob",
    "metadata": {"name": "a"},
    "spec": {"entrypoint": "x", "rayClusterSpec": CLUSTER},
}
RULE = {"policy": "DeleteSelf", "condition": {"jobStatus": "FAILED"}}
pytestmark = pytest.mark.skipif(not HAVE_CRDS, reason="KubeRay's CRDs do not lie beside the checkout")


def changed(path: str, value: Any) -> dict[str, Any]:
    job = copy.deepcopy(JOB)
    *parents, leaf = path.split(".")
    target: Any = job
    for key in parents:
        target = target[int(key)] if key.isdigit() else target.setdefault(key, {})
    target[leaf] = value
    return job


def test_a_small_job_is_taken() -> None:
    assert validate(JOB) == []
    assert operator_faults(JOB) == []
    assert validate(changed("spec.backoffLimit", None)) == []  # a null is dropped, its default put in


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.entryPoint", "x", "unknown field"),
        ("spec.backoffLimit", "two", "is not of type 'integer'"),
        ("spec.managedBy", "me", "must be either"),
        ("spec.deletionStrategy", {"deletionRules": [{"policy": "DeleteAll", "condition": {}}]}, "DeleteAll"),
        ("spec.deletionStrategy", {"onSuccess": {"policy": "DeleteSelf"}}, "BOTH onSuccess and onFailure"),
        (
            "spec.deletionStrategy",
            {"deletionRules": [{"policy": "DeleteSelf", "condition": {"ttlSeconds": 1}}]},
            "requires either the JobStatus",
        ),
        (
            "spec.rayClusterSpec.headGroupSpec.template.spec.containers",
            [{"image": "a"}],
            "'name' is a required",
        ),
        ("spec.rayClusterSpec.workerGroupSpecs.0.minReplica", 1, "unknown field"),
    ],
)
def test_the_server_refuses(path: str, value: Any, said: str) -> None:
    faults = validate(changed(path, value))
    assert any(said in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "a" * 48),
        ("metadata.name", "Upper"),
        ("spec.suspend", True),
        ("spec.ttlSecondsAfterFinished", 5),
        ("spec.clusterSelector", {"ray.io/cluster": "c"}),
        ("spec.rayClusterSpec.authOptions", {"mode": "token", "enableK8sTokenAuth": True}),
        ("spec.rayClusterSpec.upgradeStrategy", {"type": "Recreate"}),
        ("spec.rayClusterSpec.workerGroupSpecs.0.minReplicas", 2),
    ],
)
def test_the_operator_refuses(path: str, value: Any) -> None:
    assert operator_faults(changed(path, value))


def test_the_operator_refuses_two_ways_to_end() -> None:
    both = changed("spec.deletionStrategy", {"deletionRules": [RULE]})
    both["spec"]["shutdownAfterJobFinishes"] = True
    assert operator_faults(both)
    autoscaling = changed("spec.deletionStrategy", {"deletionRules": [{**RULE, "policy": "DeleteWorkers"}]})
    autoscaling["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"] = True
    assert operator_faults(autoscaling)
