"""`tunesmith train --on kubernetes`: the recipe's objects, made in a cluster and followed to their end."""

from __future__ import annotations

import time
from collections.abc import Callable

from tunesmith.config.train import TrainConfig
from tunesmith.deploy.own_objects import full_name
from tunesmith.deploy.recipe_run import find_templates, recipe_run
from tunesmith.errors import NotFoundError, PlatformError, TrainingError
from tunesmith.kubernetes.client import KubernetesClient, Thing, create_or_get
from tunesmith.kubernetes.reasons import why_job_waits

_SECONDS_BETWEEN_LOOKS = 2.0
_ENDED = ("Complete", "Failed", "ValidationFailed")


def submit_run(client: KubernetesClient, config: TrainConfig, *, release: str) -> str:
    """Make the objects of a recipe; the same recipe and data find the run that is there.

    Args:
        client: the cluster and namespace.
        config: the resolved recipe.
        release: name of the release whose pod templates are used.

    Returns:
        Name of the RayJob.

    Raises:
        ConfigError: the recipe cannot run there; nothing was made.
        PlatformError: the cluster refuses it; nothing is left.
    """
    where = f"release {release} in {client.namespace}"
    found = client.get("ConfigMap", f"{full_name(release)}-pod-templates")
    templates = find_templates([{"kind": "ConfigMap", **found}] if found else [], where=where)
    run = recipe_run(config, templates, release=full_name(release), namespace=client.namespace)
    client.apply(run.config_map)
    try:
        create_or_get(client, run.ray_job)
    except PlatformError:
        client.delete("ConfigMap", run.name)
        raise
    return run.name


def follow_run(
    client: KubernetesClient,
    name: str,
    *,
    say: Callable[[str], None],
    pause_seconds: float = _SECONDS_BETWEEN_LOOKS,
) -> None:
    """Say what becomes of a run, and print what its driver prints, until it has ended.

    Args:
        client: the cluster and namespace.
        name: of the RayJob.
        say: told of each change, and of each line.
        pause_seconds: between looks.

    Raises:
        TrainingError: it failed.
        NotFoundError: somebody deleted it.
    """
    told = ""
    printed: dict[str, int] = {}
    while True:
        job = client.get("RayJob", name)
        if job is None:
            raise NotFoundError(f"RayJob {name} was deleted.")
        status = job.get("status") or {}
        stage = status.get("jobDeploymentStatus") or "new"
        line = why_job_waits(client, job) or f"{stage.lower()}{_retries(status)}"
        if line != told:
            say(f"{name}: {line}")
            told = line
        _print_log(client, job, printed, say)
        if stage in _ENDED:
            _end(name, status)
            return
        time.sleep(pause_seconds)


def _retries(status: Thing) -> str:
    return f" (after {status['failed']} lost clusters)" if status.get("failed") else ""


def _print_log(
    client: KubernetesClient, job: Thing, printed: dict[str, int], say: Callable[[str], None]
) -> None:
    """A submitter's pod prints what the driver prints; each line of each pod is told once."""
    selector = f"batch.kubernetes.io/job-name={job['metadata']['name']}"
    for pod in client.all("Pod", selector=selector):
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
        lines = client.log(name, container=container).decode(errors="replace").splitlines()
        for line in lines[printed.get(name, 0) :]:
            say(line)
        printed[name] = len(lines)


def _end(name: str, status: Thing) -> None:
    if status.get("jobStatus") == "SUCCEEDED":
        return
    reason = " ".join(str(status.get("message") or status.get("reason") or "no reason given").split())[:400]
    raise TrainingError(
        f"RayJob {name} failed: {reason}. `kubectl delete rayjob {name}`, and the same command tries again; it goes on "
        "from the newest checkpoint."
    )
