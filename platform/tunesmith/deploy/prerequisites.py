"""What a cluster needs before a release: each from its own chart, in the order in which they need each other.

monitoring, whose kinds all may use  >  KubeRay  >  Kueue, which queues RayJobs  >  stores  >  the release
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tunesmith.deploy.helm import Helm
from tunesmith.errors import ConfigError, UnavailableError
from tunesmith.kubernetes.client import KubernetesClient

_SECONDS_TO_BE_SERVED = 60.0


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """One of them.

    Attributes:
        name: as it is asked for.
        group: the API group that it brings; a cluster that knows it has it already, from whomever.
        chart: name of the chart, or its oci:// address.
        repository: where the chart is; empty for an oci:// address.
        version: of the chart; empty: the newest.
        release: name of its release.
        namespace: where it goes, by itself.
    """

    name: str
    group: str
    chart: str
    repository: str
    version: str
    release: str
    namespace: str

    @property
    def arguments(self) -> list[str]:
        """Chart, place and version, as helm takes them."""
        words = [self.release, self.chart, "--namespace", self.namespace, "--create-namespace"]
        words += ["--repo", self.repository] if self.repository else []
        return words + (["--version", self.version] if self.version else [])


PREREQUISITES = (
    Prerequisite(
        "monitoring",
        "monitoring.coreos.com",
        "kube-prometheus-stack",
        "https://prometheus-community.github.io/helm-charts",
        "",
        "prometheus",
        "monitoring",
    ),
    Prerequisite(
        "kuberay",
        "ray.io",
        "kuberay-operator",
        "https://ray-project.github.io/kuberay-helm",
        "1.7.0",
        "kuberay-operator",
        "kuberay",
    ),
    Prerequisite(
        "kueue",
        "kueue.x-k8s.io",
        "oci://registry.k8s.io/kueue/charts/kueue",
        "",
        "",
        "kueue",
        "kueue-system",
    ),
    Prerequisite(
        "cnpg",
        "postgresql.cnpg.io",
        "cloudnative-pg",
        "https://cloudnative-pg.github.io/charts",
        "",
        "cnpg",
        "cnpg-system",
    ),
)
"""All that can be put there, in the order in which that is done."""


def choose(words: Sequence[str]) -> list[Prerequisite]:
    """Find what is asked for.

    Args:
        words: `kuberay`, or `kueue=0.17.2` for a version of the chart.

    Returns:
        Them, in the order in which they go in.
    """
    asked = dict(word.partition("=")[::2] for word in words)
    return [
        replace(each, version=asked[each.name] or each.version)
        for each in PREREQUISITES
        if each.name in asked
    ]


def install_prerequisites(
    client: KubernetesClient, helm: Helm, wanted: Sequence[Prerequisite], *, say: Callable[[str], None]
) -> None:
    """Put there what the cluster lacks; what it has, whoever installed it, is left as it is.

    Args:
        client: the cluster.
        helm: installs.
        wanted: in order.
        say: told of each.

    Raises:
        ConfigError: one does not come up; those after it were not begun.
        PlatformError: the cluster cannot be asked.
    """
    groups = _groups(client)
    context = None if client.context == "in-cluster" else client.context
    for each in wanted:
        if each.group in groups:
            say(f"{each.name}: the cluster has it")
            continue
        say(f"{each.name}: {each.chart} {each.version or 'newest'} into {each.namespace}")
        try:
            helm.put(each.arguments, context=context)
        except ConfigError as error:
            raise taken_back(each.name, each.repository or each.chart, error) from error
        _wait_until_served(client, each)


def taken_back(name: str, source: str, error: ConfigError) -> ConfigError:
    """What to say where somebody else's chart does not come up.

    Args:
        name: as it was asked for.
        source: where its chart is.
        error: what helm said.

    Returns:
        The error.
    """
    return ConfigError(
        f"--with {name}: {error.message.rstrip('.')}. It was taken back, and nothing after it was begun. "
        f"Where {source} cannot be reached, install it from a mirror and leave out --with {name}."
    )


def _wait_until_served(client: KubernetesClient, wanted: Prerequisite) -> None:
    """A definition is made first and served a while later; until then the server knows nothing of its kinds."""
    deadline = time.monotonic() + _SECONDS_TO_BE_SERVED
    while wanted.group not in _groups(client):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{wanted.name} is installed, and {client.server} does not serve {wanted.group} after "
                f"{_SECONDS_TO_BE_SERVED:.0f} s: kubectl get crds. Then run the command again."
            )
        time.sleep(0.5)


def _groups(client: KubernetesClient) -> set[str]:
    return {version.partition("/")[0] for version in client.api_versions()}
