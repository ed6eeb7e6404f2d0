"""Attempts as jobs of a Ray cluster that stands already, through its Jobs API.

https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tunesmith.errors import AuthenticationError, PlatformError, UnavailableError
from tunesmith.jobs.runners.driver_command import PROGRAM, driver_command, keep_log
from tunesmith.kubernetes.names import attempt_name
from tunesmith.records import Job

_LIVING = ("PENDING", "RUNNING")
_SECONDS_TO_GO = 15.0
"""Ray asks a driver to leave, and kills it 3 s later."""


class RayClusterRunner:
    """Runs attempts as jobs of one Ray cluster. Its nodes see the object store under the controller's own paths.

    Args:
        address: URL of the cluster's dashboard.
        token: what the dashboard asks for, where it asks.
        environment: variables of the drivers.
        program: what runs there.
    """

    outlives_controller = True

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A dashboard on a busy machine takes its time, and starts an agent at the first submission.
        self._http = httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False)
        self._environment = dict(environment or {})
        self._program = program

    def start(self, job: Job, folder: Path) -> Mapping[str, Any]:
        """Submit the attempt, unless it is there.

        Args:
            job: the job, with the attempt's fence.
            folder: the attempt's folder, with its order.

        Returns:
            `{"submission_id", "log"}`.

        Raises:
            UnavailableError: the cluster does not take it.
        """
        name = attempt_name(job.id, job.fence)
        if self._look(name) is None:
            words = driver_command(str(folder), program=self._program)
            submission = {
                "submission_id": name,
                # Ray runs a shell, and a stop reaches whom the shell has started by then: one that is stopped early
                # would leave its driver behind. So the shell becomes the driver.
                "entrypoint": f"exec {shlex.join(words)}",
                "runtime_env": {"env_vars": self._environment} if self._environment else {},
                "metadata": {"job": job.id, "attempt": str(job.fence), "project": job.project_id},
            }
            response = self._ask("POST", "/api/jobs/", json=submission)
            # Two controllers at once: Ray takes the first, and refuses the second.
            if response.is_error and self._look(name) is None:
                raise UnavailableError(
                    f"Ray does not take {name}: {_said(response)}. Its dashboard's log says more."
                )
        return _handle(name, folder)

    def find(self, job: Job, folder: Path) -> Mapping[str, Any] | None:
        """Ask for the attempt's submission.

        Args:
            job: the job, with the attempt's fence.
            folder: the attempt's folder.

        Returns:
            The handle; None where Ray knows of none.
        """
        name = attempt_name(job.id, job.fence)
        return _handle(name, folder) if self._look(name) else None

    def is_alive(self, handle: Mapping[str, Any]) -> bool:
        """Whether the job waits or runs.

        Args:
            handle: from `start`.

        Returns:
            False once it has ended, and where the cluster has forgotten it.
        """
        seen = self._look(handle["submission_id"])
        return seen is not None and seen["status"] in _LIVING

    def stop(self, handle: Mapping[str, Any]) -> None:
        """Have Ray end the driver, and with it its workers; keep its log.

        Args:
            handle: from `start`.

        Raises:
            UnavailableError: it has not ended yet; to call again is right.
        """
        name = handle["submission_id"]
        if self._look(name) is None:
            return
        deadline = time.monotonic() + _SECONDS_TO_GO
        if self.is_alive(handle):
            self._ask("POST", f"/api/jobs/{name}/stop")
        while self.is_alive(handle):
            if time.monotonic() > deadline:
                raise UnavailableError(f"Ray job {name} is being stopped and has not ended yet.")
            time.sleep(0.3)
        self._keep_log(handle)

    def reason(self, handle: Mapping[str, Any]) -> str | None:
        """Say why the attempt does not run yet.

        Args:
            handle: from `start`.

        Returns:
            Ray's own words while it waits; else None.
        """
        seen = self._look(handle["submission_id"])
        if seen is None or seen["status"] != "PENDING":
            return None
        return " ".join(str(seen.get("message") or "").split())[:300] or None

    def _look(self, name: str) -> Mapping[str, Any] | None:
        response = self._ask("GET", f"/api/jobs/{name}")
        if response.status_code == 404:
            return None
        if response.is_error:
            raise UnavailableError(f"Ray says nothing of {name}: {_said(response)}. Try again later.")
        seen: Mapping[str, Any] = response.json()
        return seen

    def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"The Ray cluster at {self._http.base_url} does not answer: {error or type(error).__name__}. "
                "Start it, or give another address."
            ) from error
        if response.status_code in (401, 403):
            raise AuthenticationError(
                f"The Ray cluster at {self._http.base_url} does not accept the token. Take the one in RAY_AUTH_TOKEN "
                "or ~/.ray/auth_token of its head."
            )
        return response

    def _keep_log(self, handle: Mapping[str, Any]) -> None:
        try:
            response = self._ask("GET", f"/api/jobs/{handle['submission_id']}/logs")
            if response.is_success:
                keep_log(Path(handle["log"]), response.json().get("logs") or "")
        except PlatformError:
            return  # an attempt must end also where its log cannot be had


def _handle(name: str, folder: Path) -> Mapping[str, Any]:
    return {"submission_id": name, "log": str(folder / "driver.log")}


def _said(response: httpx.Response) -> str:
    return f"{response.status_code} {' '.join(response.text.split())[-300:]}"
