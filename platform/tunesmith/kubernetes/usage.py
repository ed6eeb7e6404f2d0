"""What nodes hold and pods take, as Kubernetes counts it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tunesmith.kubernetes.client import Thing

GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915", "habana.ai/gaudi", "google.com/tpu")
"""Resources that count as accelerators."""

_SUFFIXES = {
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """Accelerators of one kind.

    Attributes:
        resource: such as `nvidia.com/gpu`.
        held: on all nodes.
        used: asked for by pods that have a node.
    """

    resource: str
    held: int
    used: int

    @property
    def free(self) -> int:
        """Not asked for."""
        return max(0, self.held - self.used)


def quantity(text: str) -> float:
    """Read a quantity: `500m`, `16Gi`, `8`.

    Args:
        text: as it stands in a manifest.

    Returns:
        Its number; 0 for what is none.
    """
    number = text.rstrip("mkMGTKi")
    try:
        return float(number) * _SUFFIXES[text[len(number) :]]
    except (ValueError, KeyError):
        return 0.0


def gpu_usage(nodes: Iterable[Thing], pods: Iterable[Thing]) -> list[GpuUsage]:
    """Count accelerators.

    Args:
        nodes: of the cluster.
        pods: of all namespaces.

    Returns:
        One entry a kind that some node has.
    """
    held: dict[str, float] = {}
    used: dict[str, float] = {}
    for node in nodes:
        for resource, amount in ((node.get("status") or {}).get("allocatable") or {}).items():
            if resource in GPU_RESOURCES:
                held[resource] = held.get(resource, 0) + quantity(str(amount))
    for pod in pods:
        if pod["spec"].get("nodeName") and (pod.get("status") or {}).get("phase") not in _ENDED:
            for container in pod["spec"].get("containers", ()):
                for resource, amount in ((container.get("resources") or {}).get("limits") or {}).items():
                    used[resource] = used.get(resource, 0) + quantity(str(amount))
    return [GpuUsage(name, int(held[name]), int(used.get(name, 0))) for name in sorted(held) if held[name]]
