"""Pod templates as the chart makes them, cut down to what the tests look at."""

from __future__ import annotations

from typing import Any

import yaml

from tunesmith.kubernetes.templates import ClusterTemplates, parse_templates

STATE = "/var/lib/objects"
"""Where the volume that training pods share is mounted."""


def pod(image: str, **spec: Any) -> dict[str, Any]:
    """A PodTemplateSpec with Ray's container first."""
    container = {"name": "ray", "image": image, "env": [{"name": "HF_HOME", "value": "/cache/hf"}]}
    container |= {"volumeMounts": [{"name": "objects", "mountPath": "/objects"}]}
    container |= spec.pop("container", {})
    return {"metadata": {"labels": {"from": "chart"}}, "spec": {"containers": [container], **spec}}


GPU_POD = pod(
    "tunesmith:cuda",
    container={"resources": {"limits": {"nvidia.com/gpu": 8, "cpu": "64", "memory": "512Gi"}}},
    tolerations=[
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
    ],
    nodeSelector={"node.kubernetes.io/instance-type": "a3-highgpu-8g"},
)
CPU_GROUP = {
    "name": "cpu",
    "template": "worker-cpu.yaml",
    "replicas": 1,
    "minReplicas": 1,
    "maxReplicas": 4,
    "numOfHosts": 1,
    "accelerator": None,
    "accelerators": 0,
    "cpus": 4,
    "memoryGib": 16,
    "rayStartParams": {},
    "idleTimeoutSeconds": None,
}
GPU_GROUP = {
    **CPU_GROUP,
    "name": "h100",
    "template": "worker-h100.yaml",
    "replicas": 0,
    "minReplicas": 0,
    "maxReplicas": 2,
    "accelerator": "nvidia.com/gpu",
    "accelerators": 8,
    "cpus": 64,
    "memoryGib": 512,
}


def template_files(**changes: Any) -> dict[str, str]:
    """The ConfigMap's files; `training`, `serving`, `workspaces` and top-level keys can be laid over."""
    training_groups = [
        {**group, "template": f"train-{group['template']}", "minReplicas": 0}
        for group in (CPU_GROUP, GPU_GROUP)
    ]
    shape = {"autoscaling": False, "autoscalerOptions": None, "queue": None, "priorityClassName": ""}
    clusters = {
        "rayVersion": "2.60.0",
        "authOptions": {"mode": "token"},
        "serving": {
            **shape,
            "autoscaling": True,
            "autoscalerOptions": {"version": "v2", "idleTimeoutSeconds": 60, "upscalingMode": "Default"},
            "upgradeStrategy": {"type": "NewCluster"},
            "rayClusterDeletionDelaySeconds": 60,
            "head": {
                "template": "head.yaml",
                "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},
            },
            "workerGroups": [CPU_GROUP, GPU_GROUP],
            **changes.pop("serving", {}),
        },
        "training": {
            **shape,
            "submitter": {"template": "submitter.yaml"},
            "backoffLimit": 0,
            "activeDeadlineSeconds": None,
            "ttlSecondsAfterFinished": 600,
            "head": {"template": "train-head.yaml", "rayStartParams": {"num-cpus": "0"}},
            "workerGroups": training_groups,
            **changes.pop("training", {}),
        },
        "workspaces": [{"namespace": "tunesmith", "project": None, "queue": None}],
        **changes,
    }
    pods = {
        "head.yaml": pod("tunesmith:cpu"),
        "train-head.yaml": pod("tunesmith:cpu"),
        "worker-cpu.yaml": pod("tunesmith:cpu"),
        "train-worker-cpu.yaml": pod("tunesmith:cpu"),
        "worker-h100.yaml": GPU_POD,
        "train-worker-h100.yaml": GPU_POD,
        "submitter.yaml": pod("tunesmith:cpu", restartPolicy="Never"),
    }
    return {name: yaml.safe_dump(document) for name, document in {**pods, "clusters.yaml": clusters}.items()}


def templates(**changes: Any) -> ClusterTemplates:
    """The parsed files."""
    return parse_templates(template_files(**changes), where="test")


def shared_files(**variables: str) -> dict[str, str]:
    """Templates whose training pods share a volume."""
    variables = variables or {"TUNESMITH_OBJECTS_URL": f"file://{STATE}"}
    files = template_files()
    for name in [name for name in files if name.startswith("train-")]:
        pod = yaml.safe_load(files[name])
        pod["spec"]["volumes"] = [{"name": "objects", "persistentVolumeClaim": {"claimName": "state"}}]
        container = pod["spec"]["containers"][0]
        container["volumeMounts"] = [{"name": "objects", "mountPath": STATE}]
        container["env"] += [{"name": name, "value": value} for name, value in variables.items()]
        files[name] = yaml.safe_dump(pod)
    return files
