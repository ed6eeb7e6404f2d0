"""`tunesmith train --on kubernetes`: the recipe's objects, made in a cluster and followed to their end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from tunesmith.config.train import TrainConfig
from tunesmith.deploy.own_objects import full_name
from tunesmith.deploy.recipe_run import find_templates, recipe_run
from tunesmith.errors import DependencyError, NotFoundError, PlatformError, TrainingError, UnavailableError
from tunesmith.kubernetes.client import KubernetesClient, Thing, create_or_get
from tunesmith.kubernetes.reasons import why_job_waits
from tunesmith.kubernetes.submitter import printed_by, submitter_pods

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
        made = create_or_get(client, run.ray_job)
    except PlatformError:
        with suppress(PlatformError):  # out of reach: what there is is found by the same command again
            if _is_absent(client, run.name):
                client.delete("ConfigMap", run.name)
        raise
    client.apply(_owned(run.config_map, made))
    return run.name


def _is_absent(client: KubernetesClient, name: str) -> bool:
    """Whether nobody has the RayJob; an answer that was lost does not say so."""
    try:
        return client.get("RayJob", name) is None
    except DependencyError:
        return True


def _owned(config_map: Thing, job: Thing) -> Thing:
    """The ConfigMap as a part of its RayJob, with which it goes."""
    owner = {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
    }
    return {**config_map, "metadata": {**config_map["metadata"], "ownerReferences": [owner]}}


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
        try:
            job = client.get("RayJob", name)
            if job is None:
                raise NotFoundError(f"RayJob {name} was deleted.")
            line = _line(client, job)
        except UnavailableError as error:
            # It runs whether or not anybody looks; an API server that is upgraded is away for a minute or two.
            job, line = None, f"goes on unseen: {error.message}"
        if line != told:
            say(f"{name}: {line}")
            told = line
        if job is not None and _has_ended(client, job, printed, say):
            return
        time.sleep(pause_seconds)


def _line(client: KubernetesClient, job: Thing) -> str:
    status = job.get("status") or {}
    return why_job_waits(client, job) or f"{_stage(job).lower()}{_retries(status)}"


def _stage(job: Thing) -> str:
    return str((job.get("status") or {}).get("jobDeploymentStatus") or "new")


def _has_ended(
    client: KubernetesClient, job: Thing, printed: dict[str, int], say: Callable[[str], None]
) -> bool:
    with suppress(UnavailableError):  # its node may be gone; the next look prints the rest
        _print_log(client, job, printed, say)
    if _stage(job) not in _ENDED:
        return False
    _end(job["metadata"]["name"], job.get("status") or {})
    return True


def _retries(status: Thing) -> str:
    return f" (after {status['failed']} lost clusters)" if status.get("failed") else ""


def _print_log(
    client: KubernetesClient, job: Thing, printed: dict[str, int], say: Callable[[str], None]
) -> None:
    """A submitter's pod prints what the driver prints; each line of each pod is told once."""
    for pod in submitter_pods(client, job):
        name = pod["metadata"]["name"]
        lines = printed_by(client, pod).decode(errors="replace").splitlines()
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
