"""The kinds that this project reads or writes, and where the API server has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tunesmith.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind.

    Attributes:
        kind: as it stands in a manifest.
        api_version: group and version.
        plural: as it stands in a path.
        namespaced: whether objects lie in a namespace.
        older_version: group and version where servers have it that do not know `api_version`; empty: nowhere.
    """

    kind: str
    api_version: str
    plural: str
    namespaced: bool = True
    older_version: str = ""

    @property
    def older(self) -> Resource | None:
        """The same kind as older servers have it; None: it is nowhere else."""
        return replace(self, api_version=self.older_version, older_version="") if self.older_version else None

    @property
    def group(self) -> str:
        """API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Where its objects are.

        Args:
            namespace: the namespace; None: of all namespaces.
            name: one object's name; None: the collection.

        Returns:
            The path of the URL.
        """
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        space = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{space}/{self.plural}{f'/{name}' if name else ''}"


RESOURCES = {
    resource.kind: resource
    for resource in (
        Resource("RayJob", "ray.io/v1", "rayjobs"),
        Resource("RayService", "ray.io/v1", "rayservices"),
        Resource("RayCluster", "ray.io/v1", "rayclusters"),
        Resource("Pod", "v1", "pods"),
        Resource("Event", "v1", "events"),
        Resource("ConfigMap", "v1", "configmaps"),
        Resource("Secret", "v1", "secrets"),
        Resource("Service", "v1", "services"),
        Resource("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
        Resource("ResourceQuota", "v1", "resourcequotas"),
        Resource("ServiceAccount", "v1", "serviceaccounts"),
        Resource("Namespace", "v1", "namespaces", namespaced=False),
        Resource("Node", "v1", "nodes", namespaced=False),
        Resource("Deployment", "apps/v1", "deployments"),
        Resource("Job", "batch/v1", "jobs"),
        Resource("Role", "rbac.authorization.k8s.io/v1", "roles"),
        Resource("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings"),
        Resource("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
        Resource("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
        Resource("StorageClass", "storage.k8s.io/v1", "storageclasses", namespaced=False),
        Resource(
            "CustomResourceDefinition",
            "apiextensions.k8s.io/v1",
            "customresourcedefinitions",
            namespaced=False,
        ),
        Resource(
            "SelfSubjectAccessReview", "authorization.k8s.io/v1", "selfsubjectaccessreviews", namespaced=False
        ),
        Resource("Workload", "kueue.x-k8s.io/v1beta2", "workloads", older_version="kueue.x-k8s.io/v1beta1"),
    )
}
"""Every kind by its name."""


def resource_of(thing: Mapping[str, Any] | str) -> Resource:
    """Look a kind up.

    Args:
        thing: an object, or the name of a kind.

    Returns:
        The kind.

    Raises:
        ConfigError: nothing here knows it.
    """
    kind = thing if isinstance(thing, str) else str(thing.get("kind"))
    if kind not in RESOURCES:
        raise ConfigError(f"kind={kind} is not one of {', '.join(RESOURCES)}. Apply it with kubectl.")
    return RESOURCES[kind]
