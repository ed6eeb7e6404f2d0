"""A RayService: one served base, with its engine, its embedder and its retrieval.

A changed `serveConfigV2` is taken over in place. A changed pod template (an image, a GPU type) makes the operator
bring up a second cluster, in the way that `upgradeStrategy` says; how many GPUs that takes stands in the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tunesmith.config.clusters import ServingShape, WorkerGroup
from tunesmith.config.in_cluster import ClusterSettings
from tunesmith.errors import ConfigError
from tunesmith.kubernetes.names import BASE_ANNOTATION, BASE_LABEL, common_labels, label_value, object_name
from tunesmith.kubernetes.ray_cluster import GroupSize, cluster_spec
from tunesmith.kubernetes.ray_job import API_VERSION, PRIORITY_LABEL, QUEUE_LABEL
from tunesmith.kubernetes.templates import ClusterTemplates

SERVE_PORT = 8000
"""Port of Serve's proxies in every pod."""


def service_name(release: str, base: str) -> str:
    """Name of the RayService of a base.

    Args:
        release: name of the release.
        base: the base model.

    Returns:
        A name that no other base has.
    """
    # Its Service is called `<name>-serve-svc`, and the operator names clusters `<name>-xxxxx`.
    return object_name(release, base)


def serve_url(settings: ClusterSettings, base: str) -> str:
    """Address of a served base within the cluster.

    Args:
        settings: the release.
        base: the base model.

    Returns:
        The URL of its Service, which follows upgrades; where they move traffic in steps, of the Gateway before it.
    """
    service = service_name(settings.release, base)
    if settings.serve_url:
        return settings.serve_url.replace("{service}", service)
    return f"http://{service}-serve-svc.{settings.namespace}.svc:{SERVE_PORT}"


def ray_service(
    base: str,
    document: Mapping[str, Any],
    templates: ClusterTemplates,
    *,
    group: str | None,
    namespace: str,
    release: str,
) -> dict[str, Any]:
    """Describe the RayService of a base.

    Args:
        base: the base model.
        document: the Serve config, as `serve.applications` makes it.
        templates: the chart's pod templates.
        group: worker group of the engine; None: the first with GPUs, else the first.
        namespace: where it shall lie.
        release: name of the release.

    Returns:
        The object.

    Raises:
        ConfigError: there is no such group.
    """
    shape = templates.config.serving
    labels = {**common_labels(release), BASE_LABEL: label_value(base)}
    sizes = [GroupSize.scaling(each) for each in serving_groups(shape, group)]
    queue = {QUEUE_LABEL: shape.queue} if shape.queue else {}
    priority = (
        {PRIORITY_LABEL: shape.priority_class_name} if shape.queue and shape.priority_class_name else {}
    )
    return {
        "apiVersion": API_VERSION,
        "kind": "RayService",
        "metadata": {
            "name": service_name(release, base),
            "namespace": namespace,
            "labels": {**labels, **queue, **priority},
            "annotations": {BASE_ANNOTATION: base},
        },
        "spec": {
            "serveConfigV2": yaml.safe_dump(dict(document), sort_keys=False),
            "upgradeStrategy": dict(shape.upgrade_strategy),
            "rayClusterDeletionDelaySeconds": shape.ray_cluster_deletion_delay_seconds,
            "excludeHeadPodFromServeSvc": True,
            "rayClusterConfig": cluster_spec(templates, shape, sizes, labels=labels, environment={}),
        },
    }


def serving_groups(shape: ServingShape, group: str | None) -> list[WorkerGroup]:
    """The worker groups of one base: the engine's, and one without GPUs for retrieval.

    Args:
        shape: of clusters that serve.
        group: the engine's; None: the first with GPUs, else the first.

    Returns:
        One or two groups.

    Raises:
        ConfigError: there is no such group.
    """
    named = {each.name: each for each in shape.worker_groups}
    if group is not None and group not in named:
        raise ConfigError(
            f'Worker group "{group}" is not among serving.workerGroups ({", ".join(named)}). Use one of them.'
        )
    with_gpus = [each for each in shape.worker_groups if each.accelerators]
    engine = named[group] if group else (with_gpus or list(shape.worker_groups))[0]
    without = [each for each in shape.worker_groups if not each.accelerators]
    return [engine, *without[:1]] if engine.accelerators else [engine]
