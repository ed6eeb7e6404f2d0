"""What `ray job submit` sent to a release, as RayJobs: each in a Ray cluster of its own, which goes when it ends.

    the gateway's row  -->  its packages on the volume that pods share  -->  a RayJob  -->  the row's state and log

A look at a row does what is to be done next and may be done twice, so that several controllers may look, and any of
them may die.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunesmith.config.train import ResourcesConfig
from tunesmith.controller.edge import going_on
from tunesmith.errors import ConfigError, NotFoundError, PlatformError, StorageError
from tunesmith.jobs.submissions import State, Submission, SubmissionStore, package_key
from tunesmith.jobs.submitted import ENTRYPOINT, pack
from tunesmith.kubernetes.client import KubernetesClient, Thing, create_or_get
from tunesmith.kubernetes.names import PROJECT_LABEL, label_value, object_name
from tunesmith.kubernetes.ray_job import Run, ray_job
from tunesmith.kubernetes.reasons import why_job_waits
from tunesmith.kubernetes.templates import ClusterTemplates
from tunesmith.stores.objects import ObjectStore

LOG = logging.getLogger("tunesmith.controller.submissions")
"""The log of what becomes of submissions."""
SUBMISSION_LABEL = "tunesmith/submission"
"""Label of a RayJob and its pods with the submission's id."""

_SECONDS_BETWEEN_LOOKS = 2.0
_GCS = "gcs://"
_COMMAND = ("python", "-m", "tunesmith.jobs.submitted")
_ENDS: dict[str, State] = {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED", "STOPPED": "STOPPED"}
# What the operator itself gives up on has no word of Ray's.
_GIVEN_UP = ("Failed", "ValidationFailed")


class SubmissionController:
    """Makes RayJobs of submissions, and tells what becomes of them.

    Args:
        client: the cluster.
        submissions: keeps them.
        store: holds their packages, and gets their logs.
        folder: the volume that this controller and all training pods mount, at the same path.
        templates: reads the chart's pod templates; asked for each submission, because an upgrade changes them.
        release: name of the release.
    """

    def __init__(
        self,
        client: KubernetesClient,
        submissions: SubmissionStore,
        store: ObjectStore,
        *,
        folder: Path,
        templates: Callable[[], ClusterTemplates],
        release: str,
    ) -> None:
        self._client = client
        self._submissions = submissions
        self._store = store
        self._folder = folder
        self._templates = templates
        self._release = release

    def run(self, stop: threading.Event) -> None:
        """Look and act until told to stop; what runs goes on without it.

        Args:
            stop: set by a signal.
        """
        while not stop.wait(_SECONDS_BETWEEN_LOOKS):
            with going_on("submissions"):
                self.tick()

    def tick(self) -> None:
        """Look once at all that there is something to do about."""
        for submission in self._submissions.unsettled():
            with going_on(f"submission {submission.id}"):
                self._look(submission)

    def _look(self, submission: Submission) -> None:
        try:
            namespace = self._templates().config.workspace(submission.project_id).namespace
        except ConfigError as error:
            self._submissions.observe(submission.id, "FAILED", error.message)
            return
        job = self._client.get("RayJob", _name(submission), namespace=namespace)
        if submission.wanted == "deleted":
            self._forget(submission, job)
        elif submission.wanted == "stopped":
            self._stop(submission, job)
        elif job is not None:
            self._follow(submission, job)
        elif submission.state == "PENDING":
            self._start(submission)
        else:
            self._end(submission, "FAILED", "Its RayJob was deleted by somebody else.")

    def _start(self, submission: Submission) -> None:
        try:
            templates = self._templates()
            run = self._described(submission)
            space = templates.config.workspace(submission.project_id)
            thing = ray_job(run, templates, workspace=space, release=self._release)
        except (ConfigError, NotFoundError) as error:
            self._end(submission, "FAILED", error.message)
            return
        made = create_or_get(self._client, thing)
        LOG.info("%s: RayJob %s in %s", submission.id, run.name, space.namespace)
        now = self._submissions.find(submission.id)
        if now is None or now.wanted != "ended":
            # A stop came in between, and whoever looked for the RayJob then found none.
            self._delete(made)

    def _described(self, submission: Submission) -> Run:
        home = self._folder / submission.folder / "home"
        environment = dict(submission.runtime_env.get("env_vars") or {})
        runtime_env = self._with_packages(submission)
        runtime_env["env_vars"] = {
            # A home of its own on the volume, whatever the pod's environment says; what it makes outlives it there.
            "TUNESMITH_HOME": str(home),
            "TUNESMITH_OBJECTS_URL": f"file://{home}/objects",
            **environment,
            ENTRYPOINT: pack(submission.entrypoint),
        }
        return Run(
            _name(submission),
            _COMMAND,
            ResourcesConfig.model_validate(submission.resources),
            labels={
                SUBMISSION_LABEL: label_value(submission.id),
                PROJECT_LABEL: label_value(submission.project_id),
            },
            # A program is not known to bear a second start.
            retries=0,
            objects=f"projects/{submission.project_id}",
            runtime_env=runtime_env,
            driver=submission.driver,
        )

    def _with_packages(self, submission: Submission) -> dict[str, Any]:
        """The runtime environment, with files of the shared volume where Ray's client named packages of Ray's own."""
        asked = dict(submission.runtime_env)
        # Its client has left them out of the package; Ray takes this word only beside a folder.
        asked.pop("excludes", None)
        if working_dir := asked.get("working_dir"):
            asked["working_dir"] = self._unpackable(submission, working_dir)
        if modules := asked.get("py_modules"):
            asked["py_modules"] = [self._unpackable(submission, module) for module in modules]
        return asked

    def _unpackable(self, submission: Submission, uri: Any) -> Any:
        if not isinstance(uri, str) or not uri.startswith(_GCS):
            return uri
        name = uri.removeprefix(_GCS)
        copy = self._folder / submission.folder / "packages" / name
        if not copy.exists():
            with self._store.local_path(package_key(submission.project_id, name)) as package:
                _copy_package(package, copy)
        return f"file://{copy}"

    def _follow(self, submission: Submission, job: Thing) -> None:
        status = job.get("status") or {}
        said, stage = status.get("jobStatus", ""), status.get("jobDeploymentStatus", "")
        message = " ".join(str(status.get("message") or "").split())
        if said in _ENDS:
            self._keep_log(submission, job)
            self._end(submission, _ENDS[said], message or f"The command has ended: {said.lower()}.")
            if said == "STOPPED":  # of which no deletion rule of KubeRay's knows
                self._delete(job)
        elif stage in _GIVEN_UP:
            self._keep_log(submission, job)
            reason = message or status.get("reason") or "no reason given"
            self._end(submission, "FAILED", f"KubeRay gave it up: {reason}.")
        elif said == "RUNNING":
            self._submissions.observe(submission.id, "RUNNING", "The command runs.")
            self._keep_log(submission, job)
        else:
            waits = why_job_waits(self._client, job)
            self._submissions.observe(submission.id, "PENDING", waits or "Its Ray cluster starts.")

    def _stop(self, submission: Submission, job: Thing | None) -> None:
        if job is None:
            self._end(submission, "STOPPED", "It was stopped.")
            return
        if not job["metadata"].get("deletionTimestamp"):
            self._keep_log(submission, job)
            self._delete(job)

    def _forget(self, submission: Submission, job: Thing | None) -> None:
        if job is not None:
            self._delete(job)
            return
        self._store.delete(submission.log_key)
        shutil.rmtree(self._folder / submission.folder, ignore_errors=True)
        self._submissions.remove(submission.id)

    def _end(self, submission: Submission, state: State, message: str) -> None:
        self._submissions.observe(submission.id, state, message)
        shutil.rmtree(self._folder / submission.folder / "packages", ignore_errors=True)
        LOG.info("%s: %s: %s", submission.id, state, message)

    def _delete(self, job: Thing) -> None:
        metadata = job["metadata"]
        self._client.delete("RayJob", metadata["name"], namespace=metadata["namespace"])

    def _keep_log(self, submission: Submission, job: Thing) -> None:
        """The submitter's pod prints what the driver prints, and goes with the RayJob."""
        try:
            text = self._printed(job)
            known = self._store.size(submission.log_key) if self._store.exists(submission.log_key) else 0
            # A kubelet that has turned a long log over shows its end alone.
            if len(text) > known:
                with self._store.writer(submission.log_key) as log:
                    log.write(text)
        except PlatformError as error:
            LOG.warning("%s: its log cannot be kept: %s", submission.id, error.message)

    def _printed(self, job: Thing) -> bytes:
        namespace = job["metadata"]["namespace"]
        selector = f"batch.kubernetes.io/job-name={job['metadata']['name']}"
        return b"".join(
            self._client.log(
                pod["metadata"]["name"],
                container=pod["spec"]["containers"][0]["name"],
                namespace=namespace,
            )
            for pod in self._client.all("Pod", selector=selector, namespace=namespace)
        )


def _name(submission: Submission) -> str:
    # Of the folder too: a deleted submission's id may be taken again while its RayJob is still going.
    return object_name("submitted", submission.id, submission.folder.rpartition("/")[2][:8])


def _copy_package(package: Path, copy: Path) -> None:
    """Copy a package in one step, with a file beside its folders.

    Of a package at a URI Ray unpacks a folder that is alone in it as if it were the whole.
    """
    draft = copy.with_name(f".{secrets.token_hex(4)}-{copy.name}")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package, draft)
        if copy.suffix == ".zip":
            if not zipfile.is_zipfile(draft):
                raise ConfigError(
                    f"The package {copy.name} is no zip file. Change a file in it, and submit again."
                )
            with zipfile.ZipFile(draft, "a") as archive:
                archive.writestr(".tunesmith", "")
        draft.replace(copy)
    except OSError as error:
        raise StorageError(
            f"{copy} cannot be written: {error.strerror}. Free some space on the volume."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
