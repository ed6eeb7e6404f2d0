"""RayServices and RayJobs as the controller makes them from the chart's pod templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from rendering import Objects, find

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.config.train import ResourcesConfig
from tunesmith.kubernetes.ray_job import Run, ray_job
from tunesmith.kubernetes.ray_service import ray_service
from tunesmith.kubernetes.templates import ClusterTemplates, parse_templates
from tunesmith.serve.applications import serve_applications

RELEASE = "tunesmith"
OWN_FOLDER = "projects/proj_support"
"""What the pods of the jobs may see of the volume of objects."""


def templates(objects: Objects) -> ClusterTemplates:
    return parse_templates(find(objects, "ConfigMap", f"{RELEASE}-pod-templates")["data"], where="the chart")


def serve_config(objects: Objects) -> ServeConfig:
    text = find(objects, "ConfigMap", f"{RELEASE}-config")["data"]["serve.yaml"]
    return ServeConfig.model_validate(yaml.safe_load(text))


def ray_objects(objects: Objects) -> list[dict[str, Any]]:
    """A RayService for each group that an engine may run in, and a RayJob for each training group and workspace."""
    made, config = templates(objects), serve_config(objects)
    document = serve_applications(
        config, home=Home(Path("/home/tunesmith/state")), milvus_uri="http://milvus:19530", http_port=8000
    )
    services = [
        ray_service(
            config.served_bases[0].model,
            document,
            made,
            group=group.name,
            namespace="tunesmith",
            release=RELEASE,
        )
        for group in made.config.serving.worker_groups
    ]
    jobs = [
        ray_job(
            Run(
                f"ftjob-{index}-1",
                ["tunesmith", "train", "recipe.yaml"],
                _fitting(group),
                project="default",
                objects=OWN_FOLDER,
            ),
            made,
            workspace=workspace,
            release=RELEASE,
        )
        for group in made.config.training.worker_groups
        for index, workspace in enumerate(made.config.workspaces)
    ]
    return [*services, *jobs]


def pods_of(ray_object: dict[str, Any]) -> list[dict[str, Any]]:
    """Its PodTemplateSpecs: head, workers, submitter."""
    spec = ray_object["spec"]
    cluster = spec.get("rayClusterConfig") or spec["rayClusterSpec"]
    pods = [
        cluster["headGroupSpec"]["template"],
        *(group["template"] for group in cluster["workerGroupSpecs"]),
    ]
    return [*pods, spec["submitterPodTemplate"]] if "submitterPodTemplate" in spec else pods


def _fitting(group: Any) -> ResourcesConfig:
    return ResourcesConfig(num_workers=1, cpus_per_worker=1, gpus_per_worker=group.accelerators)
