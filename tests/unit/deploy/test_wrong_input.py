"""What can be wrong with a cluster, on the command line: one clear line with the way out, nothing half-made."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import FakeApiServer
from crd import HAVE_CRDS
from deploy_world import definition
from pod_templates import shared_files

from tunesmith.cli.main import main
from tunesmith.errors import ConfigError
from tunesmith.kubernetes.client import KubernetesClient

LINE = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
INSTALL, STATUS, DESTROY = ["deploy", "install"], ["deploy", "status"], ["deploy", "destroy", "--yes"]
DOCTOR, TRAIN = ["doctor", "--cluster"], ["train", "api/supervised", "--on", "kubernetes", "--set", "name=a"]
ALL = [INSTALL, STATUS, DESTROY, DOCTOR, TRAIN]


@pytest.fixture
def cluster(good_cluster: FakeApiServer, client: KubernetesClient, helm_log: Path) -> FakeApiServer:
    """A cluster that a release can be put into, and one that a run can: its pod templates are there."""
    metadata = {"name": "tunesmith-pod-templates", "namespace": "tunesmith"}
    good_cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": shared_files()})
    return good_cluster


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `tunesmith ...`; gives its exit code, what it printed, and its errors."""
    data = tmp_path / "train.jsonl"
    data.write_text(LINE, encoding="utf-8")

    def run(words: Sequence[str], *more: str) -> tuple[int, str, str]:
        given = [*words, *(["--set", f"data.path={data}"] if words[0] == "train" else []), *more]
        monkeypatch.setattr("sys.argv", ["tunesmith", *given])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


Run = Callable[..., tuple[int, str, str]]


def _refused(run: Run, server: FakeApiServer, log: Path, words: Sequence[str], *more: str) -> str:
    """Run what must fail: one error, no traceback, and the cluster as it was."""
    before = copy.deepcopy(server.objects)
    code, out, err = run(words, *more)
    assert code in (1, 2), out + err
    assert "Traceback" not in out + err
    assert {name: thing["metadata"]["uid"] for name, thing in server.objects.items()} == {
        name: thing["metadata"]["uid"] for name, thing in before.items()
    }
    done = [line.split()[0] for line in log.read_text(encoding="utf-8").splitlines()]
    assert not {"upgrade", "uninstall"} & set(done)
    said = out if words is DOCTOR and not err else err
    if words is not DOCTOR:
        assert err.startswith("error: ")
    return said


def _write(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_wrong_context(cluster: FakeApiServer, helm_log: Path, run: Run, words: list[str]) -> None:
    said = _refused(run, cluster, helm_log, words, "--context", "prod")
    assert said == 'error: Context "prod" is not in the kubeconfig. Known: fake.\n'


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_an_expired_token(
    cluster: FakeApiServer, helm_log: Path, tmp_path: Path, run: Run, words: list[str]
) -> None:
    cluster.kubeconfig(tmp_path, token="old")
    said = _refused(run, cluster, helm_log, words)
    assert "does not accept the credentials of this context: expired, or revoked. Sign in again" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_sign_in_program_that_fails(
    cluster: FakeApiServer, helm_log: Path, tmp_path: Path, run: Run, words: list[str]
) -> None:
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/no/such/login", "args": []}
    _write(tmp_path / "kubeconfig", lambda document: document["users"][0].update(user={"exec": program}))
    said = _refused(run, cluster, helm_log, words)
    assert "Context fake cannot sign in: /no/such/login gave no credentials." in said


def test_a_kubeconfig_without_a_current_context(
    cluster: FakeApiServer, helm_log: Path, tmp_path: Path, run: Run
) -> None:
    _write(tmp_path / "kubeconfig", lambda document: document.pop("current-context"))
    said = _refused(run, cluster, helm_log, STATUS)
    assert said == "error: The kubeconfig has no current context. Choose one with --context: fake.\n"
    code, out, _ = run(STATUS, "--context", "fake")
    assert code == 0
    assert "No release tunesmith in tunesmith of context fake" in out


@pytest.mark.parametrize(
    "text", ["{", "- a", "just words", "contexts: 3", "clusters: [{name: a}]\ncontexts: [{}]"]
)
def test_a_file_that_is_no_kubeconfig(
    cluster: FakeApiServer, helm_log: Path, tmp_path: Path, run: Run, text: str
) -> None:
    (tmp_path / "kubeconfig").write_text(text, encoding="utf-8")
    said = _refused(run, cluster, helm_log, STATUS)
    assert "kubeconfig" in said
    assert said.count("\n") == 1


def test_a_server_out_of_reach(cluster: FakeApiServer, helm_log: Path, run: Run) -> None:
    cluster.go_away()
    said = _refused(run, cluster, helm_log, DOCTOR)
    assert "of context fake cannot be reached" in said
    assert "choose another context with --context" in said


def _no_kuberay(server: FakeApiServer) -> None:
    server.missing_kinds = {"RayJob", "RayService"}


def _no_operator(server: FakeApiServer) -> None:
    server.remove("Deployment", "kuberay-operator", "kuberay")


def _forbidden(*what: tuple[str, str]) -> Callable[[FakeApiServer], None]:
    return lambda server: server.forbidden.update(what)


@pytest.mark.parametrize(
    ("words", "spoil", "said"),
    [
        (INSTALL, _no_kuberay, "KubeRay: its kinds are not there. Install it: helm repo add kuberay"),
        (DOCTOR, _no_kuberay, "its kinds are not there. Install it: helm repo add kuberay"),
        (TRAIN, _no_kuberay, "Install what serves it (KubeRay for ray.io"),
        (INSTALL, _no_operator, "operator: no KubeRay operator runs, so nothing would start. helm repo add kuberay"),
        (INSTALL, lambda server: server.put(definition(history_server=False)), "rayClusterSpec.historyServerOptions"),
        (INSTALL, _forbidden(("create", "deployments")), "this account may not create Deployment in tunesmith"),
        (INSTALL, _forbidden(("create", "rolebindings")), "this account may not create RoleBinding in tunesmith"),
        (STATUS, _forbidden(("list", "pods")), "Forbidden: list pods in tunesmith: "),
        (DESTROY, _forbidden(("list", "rayjobs")), "Forbidden: list rayjobs in tunesmith: "),
        (TRAIN, _forbidden(("get", "configmaps")), "Forbidden: get configmaps/tunesmith-pod-templates in tunesmith"),
        (TRAIN, _forbidden(("create", "rayjobs")), "Forbidden: create rayjobs/a-"),
        (TRAIN, lambda server: server.remove("ConfigMap", "tunesmith-pod-templates"), "Install the release first"),
    ],
)  # fmt: skip
def test_what_a_cluster_lacks_or_forbids(
    cluster: FakeApiServer,
    helm_log: Path,
    run: Run,
    words: list[str],
    spoil: Callable[[FakeApiServer], object],
    said: str,
) -> None:
    spoil(cluster)
    assert said in _refused(run, cluster, helm_log, words)


@pytest.mark.skipif(not HAVE_CRDS, reason="KubeRay's CRDs do not lie beside the checkout")
def test_a_kind_of_another_version(cluster: FakeApiServer, client: KubernetesClient) -> None:
    job: dict[str, Any] = {"apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {"inAFuture": 1}}
    with pytest.raises(
        ConfigError, match=r"inAFuture: unknown field.*another version of this kind.*doctor --cluster"
    ):
        client.create({**job, "metadata": {"name": "a", "namespace": "tunesmith"}})


def test_a_registry_of_charts_out_of_reach(
    cluster: FakeApiServer, helm_log: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.missing_kinds = {"Workload"}
    monkeypatch.setenv("HELM_FAILS", "dial tcp: lookup registry.k8s.io: no such host")
    code, _, said = run(INSTALL, "--with", "kueue")
    assert code == 2
    assert said.startswith(
        "error: --with kueue: helm upgrade: dial tcp: lookup registry.k8s.io: no such host. It was "
    )
    assert "install it from a mirror and leave out --with kueue" in said
    (command,) = [line for line in helm_log.read_text().splitlines() if line.startswith("upgrade")]
    assert "--wait --atomic" in command, "what fails is taken back"


def test_a_registry_of_images_out_of_reach(
    cluster: FakeApiServer, helm_log: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_FAILS", "context deadline exceeded")
    cluster.remove("Namespace", "tunesmith")
    waiting = {"reason": "ImagePullBackOff", "message": "dial tcp: lookup registry.example: no such host"}
    state = {"name": "gateway", "image": "registry.example/tunesmith:9", "state": {"waiting": waiting}}
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "gateway"}]}}
    labels = {"app.kubernetes.io/instance": "tunesmith"}
    metadata = {"name": "tunesmith-gateway-1", "namespace": "tunesmith", "labels": labels}
    cluster.put({**pod, "metadata": metadata, "status": {"containerStatuses": [state]}})
    code, out, said = run(INSTALL)
    assert code == 2
    assert "did not come up and was taken back: tunesmith-gateway-1: Image" in said
    assert "Helm says: context deadline exceeded" in said
    assert "Image registry.example/tunesmith:9 cannot be pulled: dial tcp: lookup" in said
    assert cluster.find("Namespace", "tunesmith") is None, "made for a release that is not there"
    assert "the namespace that was made for it is deleted again" in out


def test_a_release_that_a_killed_helm_left(
    cluster: FakeApiServer, helm_log: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "HELM_FAILS", "UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress"
    )
    _, _, said = run(INSTALL)
    assert "left in the middle by a helm that was killed: another operation" in said
    assert "`helm rollback tunesmith -n tunesmith`" in said
    assert cluster.find("Namespace", "tunesmith"), "it was there before"


def test_a_definition_that_is_served_late(
    cluster: FakeApiServer, helm_log: Path, run: Run, charts_bring_kinds: None
) -> None:
    """Made by a chart a moment ago: the next step waits until its kinds can be used."""
    cluster.missing_kinds = {"RayJob", "RayService", "RayCluster"}
    code, out, said = run(INSTALL, "--with", "kuberay")
    assert code == 0, out + said
    upgrades = [line for line in helm_log.read_text().splitlines() if line.startswith("upgrade")]
    assert [line.split()[2] for line in upgrades] == ["kuberay-operator", "tunesmith"]
