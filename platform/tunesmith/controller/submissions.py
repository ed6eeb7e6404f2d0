"""What `ray job submit` sent to a release, as RayJobs: each in a Ray cluster of its own, which goes when it ends.

    the gateway's row  -->  its packages on the volume that pods share  -->  a RayJob  -->  the row's state and log
                                                                                      `->  versions, in the registry

A look at a row does what is to be done next and may be done twice, so that any controller may die. One at a time looks:
it holds the row meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

from tunesmith.config.train import ResourcesConfig
from tunesmith.controller.arrivals import Arrivals, Arrived
from tunesmith.controller.edge import going_on
from tunesmith.controller.submission_files import SubmissionFiles
from tunesmith.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    PlatformError,
)
from tunesmith.jobs.folders import WRITES_PROOF
from tunesmith.jobs.submissions import State, Submission, SubmissionStore
from tunesmith.jobs.submitted import ENTRYPOINT, pack
from tunesmith.kubernetes.client import KubernetesClient, Thing, create_or_get
from tunesmith.kubernetes.names import PROJECT_LABEL, label_value, object_name
from tunesmith.kubernetes.ray_job import Run, ray_job
from tunesmith.kubernetes.reasons import why_job_waits
from tunesmith.kubernetes.submitter import printed_by, submitter_pods
from tunesmith.kubernetes.templates import ClusterTemplates

LOG = logging.getLogger("tunesmith.controller.submissions")
"""The log of what becomes of submissions."""
SUBMISSION_LABEL = "tunesmith/submission"
"""Label of a RayJob and its pods with the submission's id."""

_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_BETWEEN_TIDYINGS = 600.0
_SECONDS_HELD = 60.0
_COMMAND = ("python", "-m", "tunesmith.jobs.submitted")
_ENDS: dict[str, State] = {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED", "STOPPED": "STOPPED"}
# Stages at which the submitter has printed all that there is; what the operator gives up on has no word of Ray's.
_OVER = ("Complete", "Failed", "ValidationFailed")
# Where a queue takes a cluster back, the operator begins the RayJob anew.
_BEGUN_AGAIN = ("New", "Suspending", "Suspended", "Retrying")
# What no second try mends: the cluster refuses the object, or these permissions.
_REFUSALS = (ConfigError, ConflictError, NotFoundError, PermissionDeniedError)


class SubmissionController:
    """Makes RayJobs of submissions, and tells what becomes of them.

    Args:
        client: the cluster.
        submissions: keeps them.
        files: their packages and logs.
        arrivals: takes in the versions that they have trained.
        templates: reads the chart's pod templates; asked for each submission, because an upgrade changes them.
        release: name of the release.
        owner: what no other controller is called.
        patience_seconds: how long a submission may fail to be started, or its log to be kept.
        keep_seconds: how long RayJob and packages are kept after its end.
    """

    def __init__(
        self,
        client: KubernetesClient,
        submissions: SubmissionStore,
        files: SubmissionFiles,
        arrivals: Arrivals,
        *,
        templates: Callable[[], ClusterTemplates],
        release: str,
        owner: str,
        patience_seconds: float,
        keep_seconds: float,
    ) -> None:
        self._client = client
        self._submissions = submissions
        self._files = files
        self._arrivals = arrivals
        self._templates = templates
        self._release = release
        self._owner = owner
        self._patience_seconds = patience_seconds
        self._keep_seconds = keep_seconds
        self._failing: dict[str, float] = {}
        self._arriving: dict[str, Future[Arrived]] = {}
        # To copy a model and to wait for its engine takes minutes, which no other submission shall wait for.
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="arrivals")
        self._tidied_at = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Look and act until told to stop; what runs goes on without it.

        Args:
            stop: set by a signal.
        """
        while not stop.wait(_SECONDS_BETWEEN_LOOKS):
            with going_on("submissions"):
                self.tick()
            if time.monotonic() - self._tidied_at > _SECONDS_BETWEEN_TIDYINGS:
                with going_on("submissions"):
                    self.tidy()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def tick(self) -> None:
        """Look once at all that there is something to do about."""
        for submission_id in self._submissions.unsettled():
            with going_on(f"submission {submission_id}"):
                submission = self._hold(submission_id)
                if submission is not None:
                    self._look(submission)

    def tidy(self) -> None:
        """Take away what is kept of submissions that ended long ago: RayJobs and packages, not what they made."""
        self._tidied_at = time.monotonic()
        before_ms = int((time.time() - self._keep_seconds) * 1000)
        for submission_id in self._submissions.untidied(ended_before_ms=before_ms):
            with going_on(f"submission {submission_id}"):
                submission = self._hold(submission_id)
                if submission is not None and self._is_gone(submission):
                    self._submissions.note_tidied(submission.id)
                    self._files.drop_packages(submission)

    def _hold(self, submission_id: str) -> Submission | None:
        return self._submissions.hold(submission_id, owner=self._owner, seconds=_SECONDS_HELD)

    def _look(self, submission: Submission) -> None:
        if submission.wanted == "deleted":
            self._forget(submission)
            return
        job = self._ray_job(submission)
        if submission.wanted == "stopped" and not _has_ended(job):
            self._stop(submission, job)
        elif job is not None:
            self._follow(submission, job)
        elif submission.state == "PENDING":
            self._start(submission)
        else:
            self._end(submission, "FAILED", "Its RayJob was deleted by somebody else.")

    def _ray_job(self, submission: Submission) -> Thing | None:
        if submission.namespace is None:
            return None
        return self._client.get("RayJob", _name(submission), namespace=submission.namespace)

    def _start(self, submission: Submission) -> None:
        templates = self._templates()
        try:
            space = templates.config.workspace(submission.project_id)
            run = self._described(submission)
            thing = ray_job(run, templates, workspace=space, release=self._release)
            # Before it is made: whoever looks next must look there, whatever the settings say then.
            self._submissions.place(submission.id, space.namespace)
            create_or_get(self._client, thing)
        except _REFUSALS as error:
            self._end(submission, "FAILED", error.message)
        except PlatformError as error:
            if self._is_out_of_patience(submission):
                self._end(submission, "FAILED", error.message)
            else:
                self._submissions.observe(submission.id, "PENDING", error.message)
        else:
            self._failing.pop(submission.id, None)
            LOG.info("%s: RayJob %s in %s", submission.id, run.name, space.namespace)

    def _described(self, submission: Submission) -> Run:
        home = self._files.home(submission)
        runtime_env = self._files.runtime_env(submission)
        runtime_env["env_vars"] = {
            # A home of its own on the volume, whatever the pod's environment says; what it makes outlives it there.
            "TUNESMITH_HOME": str(home),
            "TUNESMITH_OBJECTS_URL": f"file://{home}/objects",
            WRITES_PROOF: "1",
            **(submission.runtime_env.get("env_vars") or {}),
            ENTRYPOINT: pack(submission.entrypoint),
        }
        return Run(
            _name(submission),
            _COMMAND,
            ResourcesConfig.model_validate(submission.resources),
            project=submission.project_id,
            objects=submission.folder,
            labels={
                SUBMISSION_LABEL: label_value(submission.id),
                PROJECT_LABEL: label_value(submission.project_id),
            },
            # A program is not known to bear a second start.
            retries=0,
            runtime_env=runtime_env,
            driver=submission.driver,
            secrets=False,
        )

    def _follow(self, submission: Submission, job: Thing) -> None:
        status = job.get("status") or {}
        said, stage = status.get("jobStatus", ""), status.get("jobDeploymentStatus", "")
        message = " ".join(str(status.get("message") or "").split())
        if stage in _OVER:
            self._conclude(submission, job, said, message)
        elif submission.state == "RUNNING" and stage in _BEGUN_AGAIN:
            self._end(
                submission, "FAILED", "Its pods were taken away, by a queue or a drain. Submit it again."
            )
            self._delete(job)
        elif said == "RUNNING" or said in _ENDS:
            self._submissions.observe(submission.id, "RUNNING", "The command runs.")
            self._files.keep_log(submission, self._printed(job))
        else:
            waits = why_job_waits(self._client, job) or message
            self._submissions.observe(submission.id, "PENDING", waits or "Its Ray cluster starts.")

    def _conclude(self, submission: Submission, job: Thing, said: str, message: str) -> None:
        """Note its end, once the versions that it trained are registered and the end of its log is kept."""
        self._submissions.note_run(
            submission.id, _milliseconds(job, "startTime"), _milliseconds(job, "endTime")
        )
        trained = said == "SUCCEEDED" and submission.wanted != "stopped"
        arrived = self._arrived(submission) if trained else Arrived()
        if arrived is None:
            self._submissions.observe(
                submission.id, "RUNNING", "The command has ended; what it trained is proved."
            )
            return
        if not self._has_kept_log(submission, job, told=arrived.lines):
            return
        if said in _ENDS:
            ended = message or f"The command has ended: {said.lower()}."
            self._end(submission, _ENDS[said], " ".join([ended, *arrived.lines]))
        else:
            reason = message or (job.get("status") or {}).get("reason") or "no reason given"
            self._end(submission, "FAILED", f"KubeRay gave it up: {reason}")
        if said == "STOPPED":  # of which no deletion rule of KubeRay's knows
            self._delete(job)

    def _arrived(self, submission: Submission) -> Arrived | None:
        """Have its versions taken in, beside the loop; None until that is done."""
        home = self._files.home_key(submission)
        if not self._arrivals.has_any(home):
            return Arrived()
        if submission.id not in self._arriving:
            self._arriving[submission.id] = self._pool.submit(
                self._arrivals,
                home,
                project_id=submission.project_id,
                origin=submission.id,
                last=self._is_out_of_patience(submission),
            )
        if not self._arriving[submission.id].done():
            return None
        arrived = self._arriving.pop(submission.id).result()
        return None if arrived.waiting else arrived

    def _has_kept_log(self, submission: Submission, job: Thing, *, told: Sequence[str] = ()) -> bool:
        """Keep what was printed last, and what is told after it; where that fails, the next look tries again, as long
        as there is patience."""
        try:
            printed = self._printed(job)
            closing = "".join(f"{line}\n" for line in told).encode()
            between = b"\n" if closing and printed and not printed.endswith(b"\n") else b""
            self._files.keep_log(submission, printed + between + closing)
        except PlatformError as error:
            LOG.warning("%s: the end of its log cannot be kept: %s", submission.id, error.message)
            return self._is_out_of_patience(submission)
        return True

    def _is_out_of_patience(self, submission: Submission) -> bool:
        began = self._failing.setdefault(submission.id, time.monotonic())
        return time.monotonic() - began >= self._patience_seconds

    def _stop(self, submission: Submission, job: Thing | None) -> None:
        if job is None:
            self._end(submission, "STOPPED", "It was stopped.")
        elif not job["metadata"].get("deletionTimestamp"):
            self._has_kept_log(submission, job)  # once: what shall stop does not wait for its log
            self._delete(job)

    def _forget(self, submission: Submission) -> None:
        if self._is_gone(submission):
            self._files.remove(submission)
            self._submissions.remove(submission.id)
            self._files.drop_packages(submission)

    def _is_gone(self, submission: Submission) -> bool:
        """Whether its RayJob is not there; one that is, is deleted."""
        job = self._ray_job(submission)
        if job is not None:
            self._delete(job)
        return job is None

    def _end(self, submission: Submission, state: State, message: str) -> None:
        self._failing.pop(submission.id, None)
        self._arriving.pop(submission.id, None)
        self._submissions.observe(submission.id, state, message)
        self._files.remove_copies(submission)
        LOG.info("%s: %s: %s", submission.id, state, message)

    def _delete(self, job: Thing) -> None:
        metadata = job["metadata"]
        self._client.delete("RayJob", metadata["name"], namespace=metadata["namespace"])

    def _printed(self, job: Thing) -> bytes:
        """What the driver printed: its submitter's newest pod follows it from its beginning."""
        pods = submitter_pods(self._client, job)
        return printed_by(self._client, pods[-1]) if pods else b""


def _name(submission: Submission) -> str:
    # Of the folder too: a deleted submission's id may be taken again while its RayJob is still going.
    return object_name("submitted", submission.id, submission.folder.rpartition("/")[2][:8])


def _milliseconds(job: Thing, field: str) -> int | None:
    """A moment of a RayJob's status."""
    said = (job.get("status") or {}).get(field)
    return int(datetime.fromisoformat(said).timestamp() * 1000) if said else None


def _has_ended(job: Thing | None) -> bool:
    status: dict[str, Any] = dict((job or {}).get("status") or {})
    return status.get("jobDeploymentStatus") in _OVER
