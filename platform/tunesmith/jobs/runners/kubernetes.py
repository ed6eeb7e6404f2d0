"""Attempts as RayJobs: each in a Ray cluster of its own, which goes when the attempt ends.

The RayJob's name is job + attempt, so that a controller that died while it made one finds it again. It is created,
never applied: once it is there its fields belong to the operator and to Kueue.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.config.train import TrainConfig
from tunesmith.errors import PlatformError, UnavailableError
from tunesmith.jobs.runners.driver_command import PROGRAM, driver_command, keep_log
from tunesmith.kubernetes.client import KubernetesClient, Thing, create_or_get
from tunesmith.kubernetes.names import FENCE_LABEL, JOB_LABEL, PROJECT_LABEL, attempt_name, label_value
from tunesmith.kubernetes.ray_job import Run, ray_job
from tunesmith.kubernetes.reasons import why_job_waits
from tunesmith.kubernetes.submitter import printed_by, submitter_pods
from tunesmith.kubernetes.templates import ClusterTemplates
from tunesmith.records import Job

_ENDED = ("Complete", "Failed", "ValidationFailed")
# KubeRay's deletion rules know no job that somebody stopped (`ray job stop`): its cluster would stay for ever.
_LEAVES_BY_ITSELF = ("SUCCEEDED", "FAILED")
_SECONDS_TO_GO = 5.0


class KubernetesRunner:
    """Runs attempts as RayJobs.

    Args:
        client: the cluster.
        templates: reads the chart's pod templates; asked for each attempt, because an upgrade changes them.
        release: name of the release.
        objects: root of the object store as the controller sees it; attempts are told where they lie below it.
        program: what runs in the image.
    """

    outlives_controller = True

    def __init__(
        self,
        client: KubernetesClient,
        *,
        templates: Callable[[], ClusterTemplates],
        release: str,
        objects: Path,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._client = client
        self._templates = templates
        self._release = release
        self._objects = objects
        self._program = program

    def start(self, job: Job, folder: Path) -> Mapping[str, Any]:
        """Make the RayJob, unless it is there.

        Args:
            job: the job, with the attempt's fence.
            folder: the attempt's folder, with its order.

        Returns:
            `{"namespace", "name", "uid", "log"}`.

        Raises:
            ConfigError: no worker group can hold it, or its project has no namespace.
            PlatformError: the cluster refuses it.
        """
        templates = self._templates()
        run = Run(
            attempt_name(job.id, job.fence),
            driver_command(folder.relative_to(self._objects).as_posix(), program=self._program),
            TrainConfig.model_validate(job.config).resources,
            project=job.project_id,
            # A path that leads out of it leads nowhere, whatever runs there.
            objects=f"projects/{job.project_id}",
            labels={
                JOB_LABEL: label_value(job.id),
                FENCE_LABEL: str(job.fence),
                PROJECT_LABEL: label_value(job.project_id),
            },
        )
        space = templates.config.workspace(job.project_id)
        made = create_or_get(self._client, ray_job(run, templates, workspace=space, release=self._release))
        return _handle(made, folder)

    def find(self, job: Job, folder: Path) -> Mapping[str, Any] | None:
        """Ask for the attempt's RayJob.

        Args:
            job: the job, with the attempt's fence.
            folder: the attempt's folder.

        Returns:
            The handle; None where there is no such object.
        """
        space = self._templates().config.workspace(job.project_id)
        made = self._client.get("RayJob", attempt_name(job.id, job.fence), namespace=space.namespace)
        return _handle(made, folder) if made is not None else None

    def is_alive(self, handle: Mapping[str, Any]) -> bool:
        """Whether the RayJob is there and has not ended; one that is being deleted lives until its pods are gone.

        Args:
            handle: from `start`.

        Returns:
            True while it may write.
        """
        job = self._find(handle)
        return job is not None and not _has_ended(job)

    def stop(self, handle: Mapping[str, Any]) -> None:
        """Delete the RayJob with its pods, unless its driver has said its end; keep the driver's log.

        Args:
            handle: from `start`.

        Raises:
            UnavailableError: its pods are not gone yet; to call again is right.
        """
        job = self._find(handle)
        if job is None:
            return
        self._keep_log(handle, job)
        if (job.get("status") or {}).get("jobStatus") in _LEAVES_BY_ITSELF:
            return  # nothing of it runs; the head and its logs leave by the deletion rules
        self._client.delete("RayJob", handle["name"], namespace=handle["namespace"])
        deadline = time.monotonic() + _SECONDS_TO_GO
        while self._find(handle) is not None:
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"RayJob {handle['name']} is being deleted; its pods are not gone yet."
                )
            time.sleep(0.2)

    def reason(self, handle: Mapping[str, Any]) -> str | None:
        """Say why the attempt does not run yet.

        Args:
            handle: from `start`.

        Returns:
            One line; None where it runs, or simply starts.
        """
        job = self._find(handle)
        return why_job_waits(self._client, job) if job is not None else None

    def _find(self, handle: Mapping[str, Any]) -> Thing | None:
        job = self._client.get("RayJob", handle["name"], namespace=handle["namespace"])
        return job if job is not None and job["metadata"]["uid"] == handle["uid"] else None

    def _keep_log(self, handle: Mapping[str, Any], job: Thing) -> None:
        """The submitter prints what the driver prints; its pod goes with the RayJob."""
        try:
            printed = [printed_by(self._client, pod) for pod in submitter_pods(self._client, job)]
            keep_log(Path(handle["log"]), b"".join(printed).decode(errors="replace"))
        except PlatformError:
            return  # an attempt must end also where its log cannot be had


def _handle(made: Thing, folder: Path) -> Mapping[str, Any]:
    metadata = made["metadata"]
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "log": str(folder / "driver.log"),
    }


def _has_ended(job: Thing) -> bool:
    return (job.get("status") or {}).get("jobDeploymentStatus") in _ENDED
