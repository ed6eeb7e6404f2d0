"""The objects of one release, among all those of a namespace."""

from __future__ import annotations

from tunesmith.errors import DependencyError
from tunesmith.kubernetes.client import KubernetesClient, Thing
from tunesmith.kubernetes.names import MANAGER

_CHART = "tunesmith"


def full_name(release: str) -> str:
    """The prefix that the chart gives to names: the release's own where it says `tunesmith` already.

    Args:
        release: name of the release.

    Returns:
        As the chart's `tunesmith.fullname` makes it, with default values.
    """
    return release if _CHART in release else f"{release}-{_CHART}"


def objects_made(client: KubernetesClient, kind: str, release: str) -> list[Thing]:
    """What the controller, or `train --on kubernetes`, has made for a release.

    Args:
        client: the cluster and namespace.
        kind: of which objects.
        release: name of the release.

    Returns:
        The objects; none where the cluster does not know the kind.
    """
    try:
        found = client.all(kind, selector=f"app.kubernetes.io/managed-by={MANAGER}")
    except DependencyError:
        return []
    names = {release, full_name(release)}
    return [
        thing for thing in found if thing["metadata"]["labels"].get("app.kubernetes.io/instance") in names
    ]
