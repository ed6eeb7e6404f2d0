"""Takes a release away, and says beforehand what goes and what stays."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from tunesmith.deploy.helm import Helm, Release
from tunesmith.deploy.own_objects import objects_made
from tunesmith.errors import UnavailableError
from tunesmith.kubernetes.client import KubernetesClient, Thing

_MADE = ("RayJob", "RayService", "ConfigMap")
_SECONDS_TO_GO = 300.0


@dataclass(frozen=True, slots=True)
class Removal:
    """What would go.

    Attributes:
        made: what the controller and `train --on kubernetes` have made.
        installed: what helm has installed, by kind.
        claims: volume claims of the release; they stay, and their data with them.
    """

    made: tuple[Thing, ...]
    installed: dict[str, int]
    claims: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take away."""
        return not self.made and not self.installed

    def lines(self) -> list[str]:
        """It all, in words."""
        told = [f"{thing['kind']} {thing['metadata']['name']}" for thing in self.made]
        told += [f"{count} x {kind}" for kind, count in sorted(self.installed.items())]
        return told + [f"(stays) PersistentVolumeClaim {name}" for name in self.claims]


def plan_removal(client: KubernetesClient, helm: Helm, release: Release) -> Removal:
    """Look at what there is.

    Args:
        client: the cluster and namespace.
        helm: says what it has installed.
        release: which.

    Returns:
        What would go.

    Raises:
        PlatformError: it cannot be looked at.
    """
    manifest = helm.manifest(release)
    documents = [document for document in yaml.safe_load_all(manifest or "") if document]
    installed = Counter(str(document["kind"]) for document in documents)
    names = {(document["kind"], document["metadata"]["name"]) for document in documents}
    made = [
        thing
        for thing in _made_by(client, release)
        if (thing["kind"], thing["metadata"]["name"]) not in names
    ]
    claims = client.all("PersistentVolumeClaim", selector=f"app.kubernetes.io/instance={release.name}")
    return Removal(tuple(made), dict(installed), tuple(claim["metadata"]["name"] for claim in claims))


def remove(
    client: KubernetesClient,
    helm: Helm,
    release: Release,
    *,
    say: Callable[[str], None],
    seconds_to_go: float = _SECONDS_TO_GO,
) -> None:
    """Take it away: first the controller, which would make things anew, then what it made.

    Args:
        client: the cluster and namespace.
        helm: uninstalls the release.
        release: which.
        say: told of each step.
        seconds_to_go: how long pods may take to leave.

    Raises:
        UnavailableError: something does not go; says what, and nothing more is tried.
    """
    say("helm uninstall")
    helm.uninstall(release)
    deadline = time.monotonic() + seconds_to_go
    while left := _made_by(client, release):
        for thing in left:
            if "deletionTimestamp" not in thing["metadata"]:
                say(f"{thing['kind']} {thing['metadata']['name']}")
                client.delete(
                    thing["kind"], thing["metadata"]["name"], namespace=thing["metadata"]["namespace"]
                )
        if time.monotonic() > deadline:
            names = ", ".join(f"{thing['kind']} {thing['metadata']['name']}" for thing in left)
            raise UnavailableError(
                f"Not gone after {seconds_to_go:.0f} s: {names}. Is the KubeRay operator still running? It takes "
                "back its own finalizers; run the command again when it does."
            )
        time.sleep(0.5)


def _made_by(client: KubernetesClient, release: Release) -> list[Thing]:
    return [thing for kind in _MADE for thing in objects_made(client, kind, release.name)]
