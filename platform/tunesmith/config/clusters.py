"""Which Ray clusters the controller may make, and of what: `clusters.yaml`, which the chart writes.

Keys are camelCase, as everything that stands in a manifest. Pod templates lie beside the file; it names them.
What the operator's own API takes verbatim (autoscaler options, upgrade strategy) is passed on as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from tunesmith.config.strict import StrictModel
from tunesmith.errors import ConfigError


class ClusterModel(StrictModel):
    """A config model whose keys are camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class HeadConfig(ClusterModel):
    """The head of a cluster. It schedules nothing, so that no replica and no worker can take it down."""

    template: str
    """File of its PodTemplateSpec."""
    ray_start_params: Mapping[str, str] = Field(default_factory=lambda: {"num-cpus": "0"})
    """Flags of `ray start`."""


class WorkerGroup(ClusterModel):
    """Workers that are alike."""

    name: str = Field(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")
    """Name of the group; it is part of the names of its pods."""
    template: str
    """File of their PodTemplateSpec."""
    replicas: int = Field(0, ge=0)
    """Pods at the start, where the cluster scales by itself."""
    min_replicas: int = Field(0, ge=0)
    """Fewest pods."""
    max_replicas: int = Field(ge=0)
    """Most pods."""
    num_of_hosts: int = Field(1, ge=1)
    """Pods of one replica, for an engine that spans several nodes."""
    accelerator: str | None = None
    """Resource that a pod asks for, such as `nvidia.com/gpu`; None: a CPU group."""
    accelerators: int = Field(0, ge=0)
    """How many of them a pod holds."""
    accelerator_type: str | None = None
    """What Ray calls the kind (`L4`, `H100`)."""
    cpus: float = Field(gt=0)
    """CPUs of a pod, as Ray counts them."""
    memory_gib: float = Field(gt=0)
    """Memory of a pod, GiB."""
    ray_start_params: Mapping[str, str] = Field(default_factory=dict)
    """Flags of `ray start`."""
    idle_timeout_seconds: int | None = Field(None, ge=0)
    """Idle time after which the autoscaler takes a pod away; None: as the cluster's."""

    @model_validator(mode="after")
    def _bounds_hold(self) -> WorkerGroup:
        if not self.min_replicas <= self.max_replicas:
            raise ValueError(
                f"worker group {self.name}: minReplicas={self.min_replicas} is more than "
                f"maxReplicas={self.max_replicas}. Raise maxReplicas"
            )
        if bool(self.accelerator) != bool(self.accelerators):
            raise ValueError(
                f"worker group {self.name}: accelerator={self.accelerator} with accelerators={self.accelerators}. "
                "Set both for a GPU group, neither for a CPU group"
            )
        return self


class ClusterShape(ClusterModel):
    """What clusters for serving and for training have in common."""

    autoscaling: bool = False
    """Whether Ray's autoscaler runs beside the head."""
    autoscaler_options: Mapping[str, Any] | None = None
    """RayCluster.spec.autoscalerOptions, verbatim."""
    gcs_fault_tolerance_options: Mapping[str, Any] | None = None
    """RayCluster.spec.gcsFaultToleranceOptions, verbatim: what is served outlives the head."""
    queue: str | None = None
    """Kueue's local queue."""
    priority_class_name: str = ""
    """Kueue's workload priority; the pods' own stands in their templates."""
    head: HeadConfig
    """The head."""
    worker_groups: tuple[WorkerGroup, ...] = Field(min_length=1)
    """The groups, the most preferred first."""

    @model_validator(mode="after")
    def _names_differ(self) -> ClusterShape:
        names = [group.name for group in self.worker_groups]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two worker groups are called {twice[0]}. Rename one")
        return self


class ServingShape(ClusterShape):
    """Clusters of RayServices."""

    upgrade_strategy: Mapping[str, Any] = Field(default_factory=lambda: {"type": "NewCluster"})
    """RayService.spec.upgradeStrategy, verbatim."""
    ray_cluster_deletion_delay_seconds: int = Field(60, ge=0)
    """How long the replaced cluster finishes what it has begun."""


class SubmitterConfig(ClusterModel):
    """The pod that hands a job to its cluster and prints its log."""

    template: str
    """File of its PodTemplateSpec."""


class TrainingShape(ClusterShape):
    """Clusters of RayJobs."""

    submitter: SubmitterConfig
    """The submitter."""
    backoff_limit: int = Field(0, ge=0)
    """New clusters that the operator makes for one attempt; the controller's own attempts do the same, with a fence."""
    active_deadline_seconds: int | None = Field(None, ge=1)
    """Longest life of an attempt."""
    ttl_seconds_after_finished: int = Field(600, ge=0)
    """How long the head, and with it its logs, stays after the end; the workers leave at once."""


class Workspace(ClusterModel):
    """A namespace where Ray objects may be made."""

    namespace: str
    """The namespace."""
    project: str | None = None
    """The project that it belongs to; None: every project that has none of its own."""
    queue: str | None = None
    """Kueue's local queue there; None: the shape's."""


class ClustersConfig(ClusterModel):
    """The whole file."""

    ray_version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    """Ray in the image."""
    auth_options: Mapping[str, Any] = Field(default_factory=lambda: {"mode": "token"})
    """RayCluster.spec.authOptions, verbatim."""
    serving: ServingShape
    """Clusters that serve."""
    training: TrainingShape
    """Clusters that train."""
    workspaces: tuple[Workspace, ...] = Field(min_length=1)
    """Namespaces; the first is the release's own."""

    def workspace(self, project_id: str) -> Workspace:
        """Where a project's jobs run.

        Args:
            project_id: the project.

        Returns:
            Its own namespace, else the first that is nobody's.

        Raises:
            ConfigError: every namespace belongs to another project.
        """
        own = [space for space in self.workspaces if space.project == project_id]
        shared = [space for space in self.workspaces if space.project is None]
        if not own and not shared:
            raise ConfigError(
                f"Project {project_id} has no namespace to run in: each of the {len(self.workspaces)} workspaces "
                "belongs to another project. Add one for it to the chart's values, or one without a project."
            )
        return (own or shared)[0]
