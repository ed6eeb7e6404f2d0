"""A release on a real cluster: doctor, install, a job killed in the middle, status, and nothing left."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tunesmith.config.train import TrainConfig
from tunesmith.deploy.destroy import plan_removal, remove
from tunesmith.deploy.doctor import examine_cluster, faults_of
from tunesmith.deploy.helm import Helm, Release
from tunesmith.deploy.install import install
from tunesmith.deploy.status import release_status
from tunesmith.deploy.submit import follow_run, submit_run
from tunesmith.kubernetes.client import KubernetesClient

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
LINE = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


def _until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(2)


def test_the_cluster_is_fit(client: KubernetesClient) -> None:
    assert faults_of(examine_cluster(client)) == []


def test_it_comes_up_and_serves(client: KubernetesClient, release: Release) -> None:
    install(client, Helm.find(), release, say=print, timeout_seconds=900)
    _until(lambda: all(each.ready for each in release_status(client, release=release.name).served), 1800)


def test_a_run_survives_the_death_of_a_worker(
    client: KubernetesClient, release: Release, tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_text(LINE * 64, encoding="utf-8")
    config = TrainConfig.model_validate(
        {
            "name": "cluster-test",
            "data": {"type": "file", "path": str(tmp_path / "train.jsonl")},
            "sequence_length": 64,
            "max_steps": 200,
            "checkpoint_every_steps": 10,
        }
    )
    name = submit_run(client, config, release=release.name)
    killed: list[str] = []

    def watch(line: str) -> None:
        print(line)
        if "step" in line.lower() and not killed:
            selector = "ray.io/node-type=worker,tunesmith/run=cluster-test"
            for pod in client.all("Pod", selector=selector)[:1]:
                client.delete("Pod", pod["metadata"]["name"])
                killed.append(pod["metadata"]["name"])

    follow_run(client, name, say=watch)
    assert killed


def test_nothing_is_left(client: KubernetesClient, release: Release) -> None:
    remove(client, Helm.find(), release, say=print)
    assert plan_removal(client, Helm.find(), release).empty
    _until(lambda: not client.all("Pod"), 300)
