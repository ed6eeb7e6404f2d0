"""A RayJob: one run, in a cluster of its own that goes when it ends."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from tunesmith.config.clusters import TrainingShape, Workspace
from tunesmith.config.train import ResourcesConfig
from tunesmith.kubernetes.names import common_labels
from tunesmith.kubernetes.placement import Placement, place_workers
from tunesmith.kubernetes.ray_cluster import GroupSize, cluster_spec, fill_pod
from tunesmith.kubernetes.templates import ClusterTemplates

API_VERSION = "ray.io/v1"
"""Group and version of KubeRay's kinds."""
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""Kueue's label: the local queue that admits the job."""
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"
"""Kueue's label: how much it matters."""

OBJECTS_VOLUME = "objects"
"""The volume of what runs write, as the chart calls it."""
MODEL_CACHE_VOLUME = "model-cache"
"""The volume of weights from the model hub, as the chart calls it."""
_SECONDS_OBJECT_STAYS = 24 * 3600
"""How long the RayJob itself is kept after its cluster: its status says how it ended."""


@dataclass(frozen=True, slots=True)
class Run:
    """What shall run.

    Attributes:
        name: name of the RayJob, and submission id on Ray.
        command: program and arguments; it runs on the head.
        resources: what its workers need.
        project: whose it is; its pods see this project's part of the model cache.
        objects: the folder of the volume of objects that its pods see, such as `projects/acme`.
        labels: go onto the RayJob and all its pods.
        environment: variables of all its pods.
        config_map: a ConfigMap to mount into every pod, if there is one.
        mount: where to mount it.
        retries: new clusters after a failure; the shape's own if None.
        runtime_env: Ray's runtime environment of the command.
        driver: what Ray shall reserve for the command itself: `num_cpus`, `num_gpus`, `resources`.
        secrets: whether its pods hold the credentials that the chart gives them (a bucket's, a model hub's).
    """

    name: str
    command: Sequence[str]
    resources: ResourcesConfig
    project: str
    objects: str
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    config_map: str | None = None
    mount: str | None = None
    retries: int | None = None
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    driver: Mapping[str, Any] = field(default_factory=dict)
    secrets: bool = True


def ray_job(run: Run, templates: ClusterTemplates, *, workspace: Workspace, release: str) -> dict[str, Any]:
    """Describe the RayJob of a run.

    Args:
        run: what shall run.
        templates: the chart's pod templates.
        workspace: the namespace and its queue.
        release: name of the release.

    Returns:
        The object.

    Raises:
        ConfigError: no worker group can hold it.
    """
    shape = templates.config.training
    placement = place_workers(run.resources, shape.worker_groups)
    labels = {**common_labels(release), **run.labels}
    cluster = cluster_spec(
        templates,
        shape,
        [GroupSize.fixed(placement.group, placement.replicas)],
        labels=labels,
        environment={**_collective_environment(run.resources, placement), **run.environment},
    )
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        if run.config_map and run.mount:
            _mount(group["template"], run.config_map, run.mount)
        _narrow(group["template"], run.objects)
        _narrow_cache(group["template"], f"projects/{run.project}")
        if not run.secrets:
            _without_secrets(group["template"])
    queue = workspace.queue or shape.queue
    return {
        "apiVersion": API_VERSION,
        "kind": "RayJob",
        "metadata": {
            "name": run.name,
            "namespace": workspace.namespace,
            "labels": {**labels, **_queue_labels(shape, queue)},
        },
        "spec": {
            "jobId": run.name,
            "entrypoint": shlex.join(run.command),
            **_of_the_command(run),
            "submissionMode": "K8sJobMode",
            "submitterPodTemplate": fill_pod(templates.pod(shape.submitter.template), labels, {}),
            "backoffLimit": shape.backoff_limit if run.retries is None else run.retries,
            **(
                {"activeDeadlineSeconds": shape.active_deadline_seconds}
                if shape.active_deadline_seconds
                else {}
            ),
            **_end_of_life(shape, queued=queue is not None),
            "rayClusterSpec": cluster,
        },
    }


def _of_the_command(run: Run) -> dict[str, Any]:
    """What the operator tells Ray of the command, in the fields of a RayJob."""
    asked = {
        "runtimeEnvYAML": yaml.safe_dump(dict(run.runtime_env)) if run.runtime_env else None,
        "entrypointNumCpus": run.driver.get("num_cpus"),
        "entrypointNumGpus": run.driver.get("num_gpus"),
        "entrypointResources": json.dumps(run.driver["resources"]) if "resources" in run.driver else None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _queue_labels(shape: TrainingShape, queue: str | None) -> dict[str, str]:
    if queue is None:
        return {}
    priority = {PRIORITY_LABEL: shape.priority_class_name} if shape.priority_class_name else {}
    return {QUEUE_LABEL: queue, **priority}


def _end_of_life(shape: TrainingShape, *, queued: bool) -> dict[str, Any]:
    """What goes when.

    GPUs go at once. The head stays for a while, for whoever wants Ray's logs; the object stays a day. Kueue admits a
    job by taking back its `suspend`, and the operator takes no `suspend` beside deletion rules: there the whole
    cluster goes after the same while.
    """
    ttl = shape.ttl_seconds_after_finished
    if queued:
        return {"suspend": True, "shutdownAfterJobFinishes": True, "ttlSecondsAfterFinished": ttl}
    ends = [{"jobStatus": "SUCCEEDED"}, {"jobStatus": "FAILED"}]
    workers = [] if shape.autoscaling else [_rule("DeleteWorkers", end, 0) for end in ends]
    # The operator gives up on a job (a deadline, a head that never comes) without a word of Ray's.
    ends.append({"jobDeploymentStatus": "Failed"})
    clusters = [_rule("DeleteCluster", end, ttl) for end in ends]
    objects = [_rule("DeleteSelf", end, ttl + _SECONDS_OBJECT_STAYS) for end in ends]
    return {"deletionStrategy": {"deletionRules": [*workers, *clusters, *objects]}}


def _rule(policy: str, end: Mapping[str, str], ttl_seconds: int) -> dict[str, Any]:
    return {"policy": policy, "condition": {**end, "ttlSeconds": ttl_seconds}}


def _collective_environment(resources: ResourcesConfig, placement: Placement) -> dict[str, str]:
    """Variables of NCCL, where GPUs talk to each other."""
    if not resources.gpus_per_worker or resources.num_workers == 1:
        return {}
    several_nodes = placement.replicas * placement.group.num_of_hosts > 1
    return {
        "NCCL_DEBUG": "WARN",
        # A lost peer is an error within minutes, not a run that waits for ever holding its GPUs.
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        # Within a pod peers meet in /dev/shm; between pods on what is neither loopback nor a bridge.
        **({"NCCL_SOCKET_IFNAME": "^lo,docker"} if several_nodes else {}),
    }


def _mount(template: dict[str, Any], config_map: str, path: str) -> None:
    template["spec"].setdefault("volumes", []).append(
        {"name": "tunesmith-run", "configMap": {"name": config_map}}
    )
    mounts = template["spec"]["containers"][0].setdefault("volumeMounts", [])
    mounts.append({"name": "tunesmith-run", "mountPath": path, "readOnly": True})


def _narrow(template: dict[str, Any], folder: str) -> None:
    """Mount one folder of the volume of objects, in the place where it lies, and nothing that lies beside it."""
    for container in template["spec"]["containers"]:
        for mount in container.get("volumeMounts", ()):
            if mount["name"] == OBJECTS_VOLUME:
                mount |= {"mountPath": f"{mount['mountPath']}/{folder}", "subPath": folder}


def _without_secrets(template: dict[str, Any]) -> None:
    """Leave out the variables that come from Secrets: any program reads its environment."""
    for container in template["spec"]["containers"]:
        sources = [source for source in container.pop("envFrom", ()) if "secretRef" not in source]
        if sources:
            container["envFrom"] = sources
        container["env"] = [
            variable
            for variable in container.get("env", ())
            if "secretKeyRef" not in (variable.get("valueFrom") or {})
        ]


def _narrow_cache(template: dict[str, Any], folder: str) -> None:
    """Have weights that a run fetches be nobody else's; a cache without a folder of training's is read-only."""
    for container in template["spec"]["containers"]:
        for mount in container.get("volumeMounts", ()):
            if mount["name"] == MODEL_CACHE_VOLUME and "subPath" in mount:
                mount["subPath"] = f"{mount['subPath']}/{folder}"
