"""A release on a real cluster: install, helm test, jobs through pause and death, an upgrade under load, nothing left.

The tests run in this order, on one release; `conftest.py` takes it away whatever happens.
"""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cluster_pods import answer_of, program_pod, running

from tunesmith.config.train import TrainConfig
from tunesmith.deploy.destroy import plan_removal, remove
from tunesmith.deploy.doctor import examine_cluster, faults_of
from tunesmith.deploy.helm import Helm, Release
from tunesmith.deploy.install import install
from tunesmith.deploy.status import release_status
from tunesmith.deploy.submit import follow_run, submit_run
from tunesmith.kubernetes.client import KubernetesClient, Thing
from tunesmith.kubernetes.names import JOB_LABEL

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
LINE = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


def _until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(2)


def _ask(client: KubernetesClient, release: Release, *arguments: str) -> Mapping[str, Any]:
    return answer_of(client, program_pod(release, Helm.find(), "job", *arguments), seconds=1800)


def _attempts(client: KubernetesClient, job: str) -> list[Thing]:
    return client.all("RayJob", selector=f"{JOB_LABEL}={job}")


def test_the_cluster_is_fit(client: KubernetesClient) -> None:
    assert faults_of(examine_cluster(client)) == []


def test_it_comes_up_and_serves(client: KubernetesClient, release: Release) -> None:
    install(client, Helm.find(), release, say=print, timeout_seconds=900)
    _until(lambda: release_status(client, release=release.name).served, 120)
    _until(lambda: all(each.ready for each in release_status(client, release=release.name).served), 1800)


def test_helm_test_passes(release: Release) -> None:
    words = [
        "test",
        release.name,
        "--namespace",
        release.namespace,
        "--timeout",
        "30m",
        "--logs",
        *release.at,
    ]
    assert subprocess.run([Helm.find().binary, *words], check=False).returncode == 0


def test_a_job_is_paused_resumed_loses_a_worker_and_is_trained(
    client: KubernetesClient, release: Release
) -> None:
    begun = _ask(client, release, "begin")
    assert begun["status"] == "running", begun
    job = begun["id"]
    paused = _ask(client, release, "pause", job)
    assert paused["status"] == "paused"
    # A paused job holds nothing: neither pods nor the GPUs that they would hold.
    _until(lambda: not _attempts(client, job), 300)
    _until(lambda: not client.all("Pod", selector=f"{JOB_LABEL}={job}"), 300)
    assert _ask(client, release, "resume", job)["status"] == "running"
    further = _ask(client, release, "reach", job, str(paused["steps"][-1] + 50))
    assert further["status"] == "running", further
    workers = f"{JOB_LABEL}={job},ray.io/node-type=worker"
    client.delete("Pod", client.all("Pod", selector=workers)[0]["metadata"]["name"], at_once=True)
    ended = _ask(client, release, "wait", job, "succeeded")
    assert (ended["status"], ended["error"]) == ("succeeded", None)
    assert ended["steps"] == sorted(set(ended["steps"])), "each step once, whatever died"
    assert ended["steps"][: len(begun["steps"])] == begun["steps"], "it went on where it was"


def test_a_run_survives_the_death_of_a_worker(
    client: KubernetesClient, release: Release, tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_text(LINE * 64, encoding="utf-8")
    config = TrainConfig.model_validate(
        {
            "name": "cluster-test",
            "data": {"type": "file", "path": str(tmp_path / "train.jsonl")},
            "sequence_length": 64,
            "max_steps": 1000,
            "checkpoint_every_steps": 50,
        }
    )
    name = submit_run(client, config, release=release.name)
    killed: list[str] = []

    def watch(line: str) -> None:
        print(line)
        if line.startswith("step ") and not killed:
            selector = "ray.io/node-type=worker,tunesmith/run=cluster-test"
            for pod in client.all("Pod", selector=selector)[:1]:
                client.delete("Pod", pod["metadata"]["name"], at_once=True)
                killed.append(pod["metadata"]["name"])

    follow_run(client, name, say=watch)
    assert killed


def test_an_upgrade_under_load_fails_no_request(client: KubernetesClient, release: Release) -> None:
    """New pods of gateway, controller and indexer, and a knob of retrieval, in place."""
    rolled = [f"{part}.pod.annotations.upgraded=again" for part in ("gateway", "controller", "indexer")]
    newer = dataclasses.replace(release, settings=[*release.settings, "config.retrieval.top_k=3", *rolled])
    with running(client, program_pod(release, Helm.find(), "load", "1800")) as said:
        _until(lambda: said().get("asked", 0) > 20, 600)
        before = _ready_gateways(client, release)
        install(client, Helm.find(), newer, say=print, timeout_seconds=900)
        asked = said()["asked"]
        _until(lambda: said()["asked"] > asked + 50, 600)
        seen = said()
    after = _ready_gateways(client, release)
    assert after, "somebody answered"
    assert not before & after, "it did roll"
    assert seen["failed"] == 0, seen


def test_a_dead_gateway_fails_nothing_for_long(client: KubernetesClient, release: Release) -> None:
    with running(client, program_pod(release, Helm.find(), "load", "1800")) as said:
        _until(lambda: said().get("asked", 0) > 20, 600)
        before = _ready_gateways(client, release)
        client.delete("Pod", sorted(before)[0], at_once=True)
        _until(lambda: len(_ready_gateways(client, release) - {sorted(before)[0]}) == len(before), 300)
        failed, asked = said()["failed"], said()["asked"]
        _until(lambda: said()["asked"] > asked + 50, 600)
        assert said()["failed"] == failed, "only what was under way may be cut"


def test_nothing_is_left(client: KubernetesClient, release: Release) -> None:
    remove(client, Helm.find(), release, say=print)
    assert plan_removal(client, Helm.find(), release).empty
    _until(lambda: not client.all("Pod", selector=f"app.kubernetes.io/instance={release.name}"), 400)
    kinds = ("RayJob", "RayService", "RayCluster", "Deployment", "Job", "Service", "ConfigMap")
    for kind in (*kinds, "Role", "RoleBinding", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"):
        own = [
            thing["metadata"]["name"]
            for thing in client.all(kind, selector="app.kubernetes.io/name=tunesmith")
        ]
        assert own == [], kind


def _ready_gateways(client: KubernetesClient, release: Release) -> set[str]:
    """Names of the gateways' pods that may be asked; a Deployment's pods never bear a name twice."""
    selector = f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component=gateway"
    return {pod["metadata"]["name"] for pod in client.all("Pod", selector=selector) if _is_ready(pod)}


def _is_ready(pod: Thing) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]
