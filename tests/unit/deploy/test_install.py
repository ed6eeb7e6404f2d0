"""Install, status and destroy, against a fake cluster and a helm that does nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from api_server import FakeApiServer
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.deploy.destroy import plan_removal, remove
from tunesmith.deploy.helm import Helm, Release, say_error
from tunesmith.deploy.install import install
from tunesmith.deploy.status import release_status
from tunesmith.errors import ConfigError, ConflictError, DependencyError, UnavailableError
from tunesmith.kubernetes.client import KubernetesClient

RELEASE = Release("tunesmith", "tunesmith")
LABELS = {"app.kubernetes.io/instance": "tunesmith", "app.kubernetes.io/managed-by": "tunesmith"}


def run_install(client: KubernetesClient, release: Release = RELEASE) -> list[str]:
    said: list[str] = []
    install(client, Helm.find(), release, say=said.append, timeout_seconds=60)
    return said


def asked(log: Path, verb: str) -> list[str]:
    return [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith(verb)]


def stuck_pod(server: FakeApiServer) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    server.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "tunesmith-gateway-1",
                "labels": {"app.kubernetes.io/instance": "tunesmith"},
            },
            "spec": {"containers": [{"name": "gateway"}]},
            "status": {"containerStatuses": [{"name": "gateway", "image": "tunesmith:9", "state": waiting}]},
        }
    )


def ray_job(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "ftjob-1-1", "labels": {**LABELS, "tunesmith/job": "ftjob-1"}, **metadata},
        "spec": {"entrypoint": "x"},
        "status": {"jobDeploymentStatus": "Running"},
    }


def test_a_release_is_installed(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path
) -> None:
    run_install(client)
    (command,) = asked(helm_log, "upgrade")
    assert command.startswith("upgrade --install tunesmith ")
    assert command.endswith("--namespace tunesmith --wait --atomic --timeout 60s")


def test_the_chart_is_told_what_the_cluster_knows(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path
) -> None:
    """Else it would refuse queues on a cluster that has Kueue, and take them on one that has not."""
    run_install(client)
    (with_kueue,) = asked(helm_log, "template")
    assert "--api-versions kueue.x-k8s.io/v1beta2" in with_kueue
    assert "--api-versions monitoring.coreos.com/v1" not in with_kueue
    good_cluster.missing_kinds = {"Workload"}
    run_install(client)
    assert "kueue" not in asked(helm_log, "template")[1]
    assert CliRunner().invoke(app, ["deploy", "render"]).exit_code == 0
    assert "--api-versions monitoring.coreos.com/v1" in asked(helm_log, "template")[2]


def test_prerequisites_go_in_first_and_in_order(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path, charts_bring_kinds: None
) -> None:
    good_cluster.missing_kinds = {"Workload"}
    words = ["--with", "kueue=0.17.2", "--with", "kuberay", "--with", "monitoring"]
    done = CliRunner().invoke(app, ["deploy", "install", *words])
    assert done.exit_code == 0, done.output
    assert "kuberay: the cluster has it" in done.output
    monitoring, kueue, release = asked(helm_log, "upgrade")
    assert monitoring.startswith("upgrade --install prometheus kube-prometheus-stack --namespace monitoring ")
    assert kueue.startswith("upgrade --install kueue oci://registry.k8s.io/kueue/charts/kueue ")
    assert "--version 0.17.2" in kueue
    assert "--repo" not in kueue
    assert release.startswith("upgrade --install tunesmith ")


def test_a_prerequisite_that_is_none_or_fails_begins_nothing_more(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ConfigError,
        match="--with istio: not one of monitoring, kuberay, kueue, cnpg, postgres, milvus, objects",
    ):
        CliRunner().invoke(app, ["deploy", "install", "--with", "istio"], catch_exceptions=False)
    assert asked(helm_log, "upgrade") == []
    monkeypatch.setenv("HELM_FAILS", "context deadline exceeded")
    with pytest.raises(ConfigError, match="context deadline exceeded"):
        CliRunner().invoke(app, ["deploy", "install", "--with", "monitoring"], catch_exceptions=False)
    assert len(asked(helm_log, "upgrade")) == 1


def test_nothing_is_begun_on_a_cluster_that_is_not_ready(
    server: FakeApiServer, client: KubernetesClient, helm_log: Path
) -> None:
    with pytest.raises(DependencyError, match=r"(?s)no KubeRay operator runs"):
        run_install(client)
    assert asked(helm_log, "upgrade") == []
    assert {method for method, path in server.requests if "accessreviews" not in path} == {"GET"}


def test_nothing_is_begun_with_wrong_values(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path, tmp_path: Path
) -> None:
    (tmp_path / "manifest.yaml").unlink()
    with pytest.raises(ConfigError, match="image is empty"):
        run_install(client)
    assert good_cluster.requests == [("GET", "/apis")]


def test_a_missing_namespace_is_made(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path
) -> None:
    good_cluster.remove("Namespace", "tunesmith")
    run_install(client)
    assert good_cluster.find("Namespace", "tunesmith")


def test_a_release_that_helm_could_not_take_back_is_told_as_that(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_FAILS", "an error occurred while uninstalling the release. connection refused")
    with pytest.raises(
        ConfigError, match=r"was not taken back: .*refused.*tunesmith deploy destroy -n tunesmith"
    ):
        run_install(client)


@pytest.mark.parametrize("installed", [False, True], ids=["first", "upgrade"])
def test_hooks_of_a_failed_first_install_go_too(
    good_cluster: FakeApiServer,
    client: KubernetesClient,
    helm_log: Path,
    monkeypatch: pytest.MonkeyPatch,
    installed: bool,
) -> None:
    """Helm takes back the release alone; a hook that failed would stay, with its pods and its Role."""
    monkeypatch.setenv("HELM_FAILS", "job tunesmith-migration failed: BackoffLimitExceeded")
    if installed:
        Path(os.environ["HELM_INSTALLED"]).touch()
    labels = {**LABELS, "app.kubernetes.io/managed-by": "Helm"}
    metadata = {"name": "tunesmith-migration", "labels": labels}
    good_cluster.put({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {}})
    with pytest.raises(ConfigError, match="BackoffLimitExceeded"):
        run_install(client)
    assert bool(good_cluster.all("Job")) is installed


def test_a_namespace_that_is_leaving_takes_nothing(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path
) -> None:
    namespace = good_cluster.find("Namespace", "tunesmith")
    assert namespace is not None
    namespace["metadata"]["deletionTimestamp"] = "2026-11-22T18:00:00Z"
    with pytest.raises(
        ConflictError, match=r"is being deleted.*kubectl wait --for=delete namespace/tunesmith"
    ):
        run_install(client)
    assert not asked(helm_log, "upgrade")


def test_what_is_stuck_is_named(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_FAILS", "context deadline exceeded")
    stuck_pod(good_cluster)
    with pytest.raises(
        ConfigError, match=r"was taken back: .*Image tunesmith:9 cannot be.* Helm says: context deadline"
    ):
        run_install(client)


def test_no_helm_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TUNESMITH_HELM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match=r"helm is not on PATH"):
        Helm.find()
    old = tmp_path / "helm"
    old.write_text("#!/bin/sh\necho v3.9.4\n", encoding="utf-8")
    old.chmod(0o755)
    with pytest.raises(DependencyError, match=r"v3\.9\.4; 3\.14 or newer"):
        Helm.find()


def test_helms_words_become_one_line() -> None:
    said = (
        "WARNING: Kubernetes configuration file is group-readable\n"
        "Error: execution error at (tunesmith/templates/gateway/ingress.yaml:3:4): error calling fail: "
        "Ingress and HTTPRoute are both enabled.\n  Disable one.\n"
    )
    assert say_error(said) == "Ingress and HTTPRoute are both enabled. Disable one."


def test_status(good_cluster: FakeApiServer, client: KubernetesClient) -> None:
    good_cluster.put(ray_job())
    good_cluster.put(
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayService",
            "metadata": {"name": "s", "labels": LABELS, "annotations": {"tunesmith/base-name": "Org/Model"}},
            "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
    )
    limits = {"limits": {"nvidia.com/gpu": 3}}
    good_cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "default"},
            "spec": {"nodeName": "n1", "containers": [{"resources": limits}]},
        }
    )
    seen = release_status(client, release="tunesmith")
    assert [(each.base, each.ready) for each in seen.served] == [("Org/Model", True)]
    assert [(each.job, each.state) for each in seen.jobs] == [("ftjob-1", "Running")]
    assert seen.gpus is not None
    assert [(each.held, each.used, each.free) for each in seen.gpus] == [(8, 3, 5)]
    good_cluster.forbidden = {("list", "nodes")}
    assert release_status(client, release="tunesmith").gpus is None


def test_destroy_takes_what_was_made_and_nothing_else(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path, tmp_path: Path
) -> None:
    (tmp_path / "installed").touch()
    good_cluster.put(ray_job())
    good_cluster.put(ray_job(name="other", labels={**LABELS, "app.kubernetes.io/instance": "another"}))
    good_cluster.put(ray_job(name="theirs", labels={}))
    removal = plan_removal(client, Helm.find(), RELEASE)
    assert removal.lines() == ["RayJob ftjob-1-1", "1 x Service"]
    said: list[str] = []
    remove(client, Helm.find(), RELEASE, say=said.append)
    assert said == ["helm uninstall", "RayJob ftjob-1-1"]
    assert sorted(thing["metadata"]["name"] for thing in good_cluster.all("RayJob")) == ["other", "theirs"]


def test_destroy_takes_what_hooks_have_left(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path
) -> None:
    """Helm leaves the pod of `helm test`, and a migration that failed."""
    labels = {"app.kubernetes.io/instance": "tunesmith", "app.kubernetes.io/managed-by": "Helm"}
    for kind, api, name in (("Pod", "v1", "tunesmith-test"), ("Job", "batch/v1", "tunesmith-migration")):
        thing = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": {}}
        good_cluster.put(thing)
    theirs = {"name": "theirs", "labels": {**labels, "app.kubernetes.io/instance": "another"}}
    good_cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": theirs, "spec": {}})
    removal = plan_removal(client, Helm.find(), RELEASE)
    assert removal.lines() == ["Pod tunesmith-test (a hook's)", "Job tunesmith-migration (a hook's)"]
    good_cluster.forbidden = {("list", "roles")}
    remove(client, Helm.find(), RELEASE, say=lambda line: None)
    assert [thing["metadata"]["name"] for thing in good_cluster.all("Pod")] == ["theirs"]
    assert good_cluster.all("Job") == []


def test_what_is_only_doubtful_is_told_and_installed(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path
) -> None:
    good_cluster.remove("StorageClass", "fast")
    said = run_install(client)
    assert "storage: no default StorageClass: name one in the values, or claims stay pending" in said
    assert asked(helm_log, "upgrade")


def test_whoever_may_not_look_at_namespaces_installs_into_his_own(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path
) -> None:
    good_cluster.forbidden = {("get", "namespaces")}
    run_install(client)
    assert asked(helm_log, "upgrade")


def test_destroy_says_what_does_not_go(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path
) -> None:
    good_cluster.put(ray_job(finalizers=["ray.io/x"]))
    with pytest.raises(
        UnavailableError, match=r"RayJob ftjob-1-1\. .* the KubeRay operator, which has to run"
    ):
        remove(client, Helm.find(), RELEASE, say=lambda line: None, seconds_to_go=0.6)


def test_destroy_asks(
    good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path, tmp_path: Path
) -> None:
    (tmp_path / "installed").touch()
    good_cluster.put(ray_job())
    result = CliRunner().invoke(app, ["deploy", "destroy"], input="n\n")
    assert "RayJob ftjob-1-1" in result.output
    assert result.exit_code == 1
    assert good_cluster.find("RayJob", "ftjob-1-1")
    assert asked(helm_log, "uninstall") == []
    result = CliRunner().invoke(app, ["deploy", "destroy", "--yes"])
    assert result.exit_code == 0, result.output
    assert good_cluster.all("RayJob") == []


def test_commands_print(good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path) -> None:
    good_cluster.put(ray_job())
    status = CliRunner().invoke(app, ["deploy", "status"])
    assert "ftjob-1" in status.output
    assert "nvidia.com/gpu" in status.output
    assert CliRunner().invoke(app, ["doctor", "--cluster"]).exit_code == 0
    assert "gateway" in CliRunner().invoke(app, ["deploy", "render"]).output
