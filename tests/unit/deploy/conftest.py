"""A fake cluster, and a helm that records what it is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import FakeApiServer, api_server
from deploy_world import definition, node, operator

from tunesmith.kubernetes.client import KubernetesClient
from tunesmith.kubernetes.connection import connect

FAKE_HELM = """#!/bin/sh
echo "$@" >> "$HELM_LOG"
case "$1" in
  version) echo v3.18.0 ;;
  template)
    if [ -f "$HELM_MANIFEST" ]; then cat "$HELM_MANIFEST"
    else echo 'Error: execution error: image is empty' >&2; exit 1; fi ;;
  status) if [ -n "$HELM_STATUS" ]; then printf '{"info": {"status": "%s"}}' "$HELM_STATUS"
    else echo 'Error: release: not found' >&2; exit 1; fi ;;
  get) if [ -f "$HELM_INSTALLED" ]; then cat "$HELM_MANIFEST"; else echo 'Error: release: not found' >&2; exit 1; fi ;;
  upgrade) if [ -n "$HELM_FAILS" ]; then sleep 0.5; echo "Error: $HELM_FAILS" >&2; exit 1; fi ;;
  uninstall) ;;
esac
"""


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with api_server() as running:
        yield running


@pytest.fixture
def client(server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubernetesClient:
    path = str(server.kubeconfig(tmp_path))
    monkeypatch.setenv("KUBECONFIG", path)
    return KubernetesClient(connect(kubeconfig=path, patience_seconds=5))


@pytest.fixture
def helm_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for helm, which talks to clusters that there are none of; `charts` is rendered by the real one."""
    binary = tmp_path / "helm"
    binary.write_text(FAKE_HELM, encoding="utf-8")
    binary.chmod(0o755)
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text("kind: Service\nmetadata: {name: gateway}\n", encoding="utf-8")
    for name, value in {
        "TUNESMITH_HELM": binary,
        "HELM_LOG": tmp_path / "helm.log",
        "HELM_MANIFEST": manifest,
        "HELM_INSTALLED": tmp_path / "installed",
        "HELM_FAILS": "",
        "HELM_STATUS": "",
    }.items():
        monkeypatch.setenv(name, str(value))
    (tmp_path / "helm.log").touch()
    return tmp_path / "helm.log"


@pytest.fixture
def good_cluster(server: FakeApiServer) -> FakeApiServer:
    """One that a release can be put into."""
    server.put(definition())
    server.put(operator())
    server.put(node(gpus=8, **{"nvidia.com/gpu.product": "H100"}))
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    server.put(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "fast", "annotations": annotations},
        }
    )
    return server


@pytest.fixture
def charts_bring_kinds(server: FakeApiServer, helm_log: Path) -> Iterator[None]:
    """A while after helm has installed a chart, the server serves what the chart defines."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.3):
            done = helm_log.read_text(encoding="utf-8")
            if "--install prometheus" in done:
                server.groups = {"monitoring.coreos.com/v1"}
            if "--install cnpg" in done:
                server.groups = {"postgresql.cnpg.io/v1"}
            if "--install kueue" in done:
                server.missing_kinds.discard("Workload")
            if "--install kuberay-operator" in done:
                server.missing_kinds -= {"RayJob", "RayService", "RayCluster"}

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    stop.set()
    thread.join()
