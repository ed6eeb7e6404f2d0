"""Each thing that can be wrong with a cluster is told in one line, with the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from api_server import FakeApiServer
from deploy_world import definition, node, operator

from tunesmith.deploy.doctor import examine_cluster, faults_of
from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect


def _said(client: KubernetesClient, what: str) -> tuple[str, str]:
    (found,) = [finding for finding in examine_cluster(client, needs_gpu=True) if finding.what == what]
    assert "\n" not in found.detail
    return found.verdict, found.detail


def test_a_good_cluster(good_cluster: FakeApiServer, client: KubernetesClient) -> None:
    findings = examine_cluster(client, needs_gpu=True)
    assert {finding.verdict for finding in findings} == {"ok"}, findings
    assert ("8 x nvidia.com/gpu on 1 nodes (H100)") in [finding.detail for finding in findings]


@pytest.mark.parametrize("old_kinds", [set(), {"Workload"}], ids=["v1beta2", "v1beta1"])
def test_kueue_is_found_in_whatever_version(
    good_cluster: FakeApiServer, client: KubernetesClient, old_kinds: set[str]
) -> None:
    good_cluster.old_kinds = old_kinds
    assert _said(client, "Kueue") == ("ok", "installed")
    good_cluster.missing_kinds = {"Workload"}
    assert _said(client, "Kueue")[1].startswith("not installed")


def _no_kuberay(server: FakeApiServer) -> None:
    server.missing_kinds = {"RayJob", "RayService"}


def _no_operator(server: FakeApiServer) -> None:
    server.remove("Deployment", "kuberay-operator", "kuberay")


def _no_gpus(server: FakeApiServer) -> None:
    server.put(node())


def _no_driver(server: FakeApiServer) -> None:
    server.put(node(**{"cloud.google.com/gke-gpu": "true"}))


def _quota(server: FakeApiServer) -> None:
    quota = {"hard": {"requests.nvidia.com/gpu": "8"}, "used": {"requests.nvidia.com/gpu": "8"}}
    server.put({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "status": quota})


@pytest.mark.parametrize(
    ("spoil", "what", "verdict", "said"),
    [
        (_no_kuberay, "KubeRay", "bad", "helm repo add kuberay"),
        (
            lambda server: server.put(definition(history_server=False)),
            "KubeRay",
            "bad",
            "historyServerOptions",
        ),
        (_no_operator, "operator", "bad", "no KubeRay operator runs"),
        (lambda server: server.put(operator(image="kuberay:v1.5.1")), "operator", "bad", "older than 1.7"),
        (lambda server: server.put(operator(ready=0)), "operator", "bad", "is not ready: kubectl -n kuberay"),
        (_no_gpus, "GPUs", "warn", "add a node pool with GPUs"),
        (_no_driver, "GPUs", "bad", "driver or device plugin is missing"),
        (lambda server: server.remove("StorageClass", "fast"), "storage", "warn", "no default StorageClass"),
        (_quota, "quotas", "warn", "q: requests.nvidia.com/gpu 8 of 8"),
        (
            lambda server: server.forbidden.add(("create", "rayjobs")),
            "permissions",
            "bad",
            "may not create RayJob in",
        ),
        (lambda server: server.forbidden.add(("list", "nodes")), "GPUs", "warn", "not known: Forbidden"),
        (
            lambda server: server.remove("Namespace", "tunesmith"),
            "namespace",
            "warn",
            "the installation makes it",
        ),
        (lambda server: setattr(server, "minor", "28"), "API server", "bad", "1.30 or newer is needed"),
        (
            lambda server: setattr(server, "minor", "40"),
            "API server",
            "warn",
            "newer than what the tests know",
        ),
    ],
)
def test_what_is_wrong(
    good_cluster: FakeApiServer,
    client: KubernetesClient,
    spoil: Callable[[FakeApiServer], object],
    what: str,
    verdict: str,
    said: str,
) -> None:
    spoil(good_cluster)
    found = _said(client, what)
    assert found[0] == verdict, found
    assert said in found[1], found


def test_without_an_answer_nothing_more_is_looked_at(server: FakeApiServer, tmp_path: Path) -> None:
    expired = KubernetesClient(
        connect(kubeconfig=str(server.kubeconfig(tmp_path, token="old")), patience_seconds=1)
    )
    (finding,) = examine_cluster(expired)
    assert "Sign in again" in finding.detail
    assert faults_of([finding]) == [f"API server: {finding.detail}"]
