"""Installs or upgrades a release, and says meanwhile what comes up and what is stuck."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import yaml

from tunesmith.deploy.destroy import remove_hooks
from tunesmith.deploy.doctor import examine_cluster, faults_of
from tunesmith.deploy.helm import Helm, Release, say_error
from tunesmith.errors import ConfigError, ConflictError, DependencyError, PermissionDeniedError, PlatformError
from tunesmith.kubernetes.client import KubernetesClient, Thing
from tunesmith.kubernetes.reasons import is_ready, why_pod_waits

_SECONDS_BETWEEN_LOOKS = 2.0


def install(
    client: KubernetesClient,
    helm: Helm,
    release: Release,
    *,
    say: Callable[[str], None],
    timeout_seconds: int = 600,
    checked: bool = True,
) -> None:
    """Check the cluster, render, then install; what fails is taken back by helm.

    Args:
        client: the cluster and namespace.
        helm: installs.
        release: what to install.
        say: told of each change.
        timeout_seconds: how long everything may take to be ready.
        checked: look at the cluster first, and begin nothing where something must be mended.

    Raises:
        DependencyError: the cluster lacks something; nothing was begun.
        ConfigError: a value is wrong, nothing was begun; or it did not come up, says why.
    """
    manifest = helm.render(
        release, known=client.api_versions()
    )  # a wrong value is told before anything is touched
    if checked:
        _check(client, manifest, say)
    with _namespace(client, release, say):
        said, stuck = _install(client, helm, release, say, timeout_seconds)
        if said is not None:
            _take_hooks_back(client, helm, release)
            raise _failure(release, said, stuck)


def _take_hooks_back(client: KubernetesClient, helm: Helm, release: Release) -> None:
    """What helm leaves where a first install fails: its hooks. Those of an upgrade stay, as their release does."""
    with suppress(PlatformError):
        if helm.manifest(release) is None:
            remove_hooks(client, release)


def _check(client: KubernetesClient, manifest: str, say: Callable[[str], None]) -> None:
    findings = examine_cluster(client, needs_gpu=_asks_for_gpus(manifest))
    for finding in findings:
        if finding.verdict == "warn":
            say(f"{finding.what}: {finding.detail}")
    if faults := faults_of(findings):
        raise DependencyError(
            "The cluster is not ready for a release:\n" + "\n".join(f"  {fault}" for fault in faults)
        )


def _install(
    client: KubernetesClient,
    helm: Helm,
    release: Release,
    say: Callable[[str], None],
    timeout_seconds: int,
) -> tuple[str | None, str]:
    """Run helm to its end; what it said where it failed, and what was last seen stuck."""
    with tempfile.TemporaryFile() as output:
        command = helm.install_command(release, timeout_seconds=timeout_seconds)
        running = subprocess.Popen(command, stdout=output, stderr=output)
        watcher = _Progress(client, release, say)
        try:
            while running.poll() is None:
                watcher.look()
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        finally:
            if running.poll() is None:
                running.terminate()  # helm takes back what it has begun
                running.wait()
        output.seek(0)
        said = output.read().decode(errors="replace")
    return (said if running.returncode else None), watcher.stuck


def _failure(release: Release, said: str, stuck: str) -> ConfigError:
    if "another operation" in said:
        return ConfigError(
            f"{release.name} was left in the middle by a helm that was killed: {say_error(said)}. After an upgrade: "
            f"`helm rollback {release.name} -n {release.namespace}`; after a first install: `tunesmith deploy destroy`."
        )
    told, seen = say_error(said).rstrip("."), stuck.rstrip(".")
    why = f"{seen}. Helm says: {told}." if seen else f"{told}."
    if "an error occurred while" in said:  # uninstalling, or rolling back
        return ConfigError(
            f"{release.name} did not come up, and what is there of it was not taken back: {why} After a first install: "
            f"`tunesmith deploy destroy -n {release.namespace}`; after an upgrade: `helm rollback {release.name} -n "
            f"{release.namespace}`."
        )
    return ConfigError(f"{release.name} did not come up and was taken back: {why}")


@contextmanager
def _namespace(client: KubernetesClient, release: Release, say: Callable[[str], None]) -> Iterator[None]:
    """Have the namespace be there; one that was made for a release that fails goes with it."""
    try:
        found = client.get("Namespace", release.namespace)
    except PermissionDeniedError:
        yield  # whoever may work in a namespace may not always look at it
        return
    if found is not None:
        if "deletionTimestamp" in found["metadata"]:
            raise ConflictError(
                f"Namespace {release.namespace} is being deleted, and takes nothing new. Install when it is gone: "
                f"kubectl wait --for=delete namespace/{release.namespace} --timeout 5m"
            )
        yield
        return
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": release.namespace}})
    try:
        yield
    except BaseException:
        with suppress(PlatformError):
            client.delete("Namespace", release.namespace)
            say(f"{release.namespace}: the namespace that was made for it is deleted again")
        raise


class _Progress:
    """Tells each pod's way once: a kubelet gives two reasons in turn, minute after minute, for one missing image."""

    def __init__(self, client: KubernetesClient, release: Release, say: Callable[[str], None]) -> None:
        self._client, self._release, self._say = client, release, say
        self._told: set[tuple[str, str]] = set()
        self.stuck = ""

    def look(self) -> None:
        try:
            pods = self._client.all("Pod", selector=f"app.kubernetes.io/instance={self._release.name}")
        except PlatformError as error:
            self._tell("cluster", error.message)
            return
        reasons = []
        for pod in pods:
            reason = why_pod_waits(pod)
            reasons += [f"{pod['metadata']['name']}: {reason}"] if reason else []
            self._tell(pod["metadata"]["name"], reason or _phase(pod))
        self.stuck = reasons[0] if reasons else ""

    def _tell(self, name: str, state: str) -> None:
        if (name, state) not in self._told:
            self._told.add((name, state))
            self._say(f"{name}: {state}")


def _phase(pod: Thing) -> str:
    status: Mapping[str, object] = pod.get("status") or {}
    return "ready" if is_ready(pod) else str(status.get("phase", "Pending")).lower()


def _asks_for_gpus(manifest: str) -> bool:
    for document in yaml.safe_load_all(manifest):
        if (
            document
            and document.get("kind") == "ConfigMap"
            and "clusters.yaml" in (document.get("data") or {})
        ):
            clusters = yaml.safe_load(document["data"]["clusters.yaml"])
            return any(group.get("accelerators") for group in clusters["serving"]["workerGroups"])
    return False
