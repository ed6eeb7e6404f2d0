"""Takes a release away, and says beforehand what goes and what stays."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import yaml

from tunesmith.deploy.helm import Helm, Release
from tunesmith.deploy.own_objects import objects_made
from tunesmith.errors import PermissionDeniedError, UnavailableError
from tunesmith.kubernetes.client import KubernetesClient, Thing

_MADE = ("RayJob", "RayService", "ConfigMap")
_HOOKS = ("Pod", "Job", "NetworkPolicy", "RoleBinding", "Role", "ServiceAccount")
"""Kinds of helm's hooks. Helm takes none away with its release: the pod of `helm test` stays, and what failed."""
_SECONDS_TO_GO = 300.0


@dataclass(frozen=True, slots=True)
class Removal:
    """What would go.

    Attributes:
        made: what the controller and `train --on kubernetes` have made.
        installed: what helm has installed, by kind.
        hooks: what helm's hooks have left.
        claims: volume claims of the release; they stay, and their data with them.
    """

    made: tuple[Thing, ...]
    installed: dict[str, int]
    hooks: tuple[Thing, ...]
    claims: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take away."""
        return not (self.made or self.installed or self.hooks)

    def lines(self) -> list[str]:
        """It all, in words."""
        told = [f"{thing['kind']} {thing['metadata']['name']}" for thing in self.made]
        told += [f"{count} x {kind}" for kind, count in sorted(self.installed.items())]
        told += [f"{thing['kind']} {thing['metadata']['name']} (a hook's)" for thing in self.hooks]
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
    ours = _made_by(client, release)  # asked first: where the cluster refuses, our own words say what to do
    manifest = helm.manifest(release)
    documents = [document for document in yaml.safe_load_all(manifest or "") if document]
    installed = Counter(str(document["kind"]) for document in documents)
    names = {(document["kind"], document["metadata"]["name"]) for document in documents}
    made = [thing for thing in ours if (thing["kind"], thing["metadata"]["name"]) not in names]
    hooks = [
        thing
        for thing in _hooks_of(client, release)
        if (thing["kind"], thing["metadata"]["name"]) not in names
    ]
    claims = client.all("PersistentVolumeClaim", selector=f"app.kubernetes.io/instance={release.name}")
    kept = tuple(claim["metadata"]["name"] for claim in claims)
    return Removal(tuple(made), dict(installed), tuple(hooks), kept)


def remove(
    client: KubernetesClient,
    helm: Helm,
    release: Release,
    *,
    say: Callable[[str], None],
    seconds_to_go: float = _SECONDS_TO_GO,
) -> None:
    """Take it away: first the controller, which would make things anew, then what it and helm's hooks have made.

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
    while left := [*_hooks_of(client, release), *_made_by(client, release)]:
        for thing in left:
            if "deletionTimestamp" not in thing["metadata"]:
                say(f"{thing['kind']} {thing['metadata']['name']}")
                client.delete(
                    thing["kind"], thing["metadata"]["name"], namespace=thing["metadata"]["namespace"]
                )
        if time.monotonic() > deadline:
            names = ", ".join(f"{thing['kind']} {thing['metadata']['name']}" for thing in left)
            raise UnavailableError(
                f"Not gone after {seconds_to_go:.0f} s: {names}. A pod goes when its node lets go of it; a RayJob or "
                "RayService when the KubeRay operator, which has to run, takes back its finalizers. Then run the "
                "command again."
            )
        time.sleep(0.5)


def remove_hooks(client: KubernetesClient, release: Release) -> None:
    """Take away what helm's hooks have left.

    Args:
        client: the cluster and namespace.
        release: whose hooks.

    Raises:
        PlatformError: something cannot be deleted.
    """
    for thing in _hooks_of(client, release):
        client.delete(thing["kind"], thing["metadata"]["name"])


def _hooks_of(client: KubernetesClient, release: Release) -> list[Thing]:
    """What bears helm's labels of the release, but for what other objects own: that goes with them."""
    selector = f"app.kubernetes.io/instance={release.name},app.kubernetes.io/managed-by=Helm"
    found: list[Thing] = []
    for kind in _HOOKS:
        with suppress(PermissionDeniedError):  # whoever may not see a kind has not installed any of it
            found += client.all(kind, selector=selector)
    return [thing for thing in found if not thing["metadata"].get("ownerReferences")]


def _made_by(client: KubernetesClient, release: Release) -> list[Thing]:
    return [thing for kind in _MADE for thing in objects_made(client, kind, release.name)]
