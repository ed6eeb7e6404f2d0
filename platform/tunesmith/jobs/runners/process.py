"""Attempts as processes of this machine.

A process carries its attempt in its environment, and so do its children: an attempt whose handle was never written,
because its controller died in between, is found again by looking.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from tunesmith.records import Job
from tunesmith.stores.platform_file import ProcessId

ATTEMPT = "TUNESMITH_ATTEMPT"
_GRACE_SECONDS = 8.0
"""What does not leave in this time is killed; it goes on from its checkpoint all the same."""

_ROUNDS = 5
"""A process that is being ended may just have started another; one that nothing ends must not hold us up."""

Start = Callable[[Sequence[str], Mapping[str, str], Path], int]
"""Starts a command with these variables and this log in a session of its own; returns its process id."""


class ProcessRunner:
    """Runs attempts beside the platform, on its Ray.

    Args:
        home: the home folder.
        start: starts a process; what it adds to the environment ties the process to the platform.
    """

    outlives_controller = False

    def __init__(self, home: Path, *, start: Start) -> None:
        self._home = home
        self._start = start

    def start(self, job: Job, folder: Path) -> Mapping[str, Any]:
        """Start the attempt, or find it where it was started before.

        Args:
            job: the job, with the attempt's fence.
            folder: the attempt's folder, with its order.

        Returns:
            `{"pid", "started", "boot", "attempt"}`.
        """
        if found := self.find(job, folder):
            return found
        attempt = _attempt(job)
        command = [
            sys.executable,
            "-P",
            "-m",
            "tunesmith",
            "train",
            "--attempt",
            str(folder),
            "--home",
            str(self._home),
        ]
        return _handle(self._start(command, {ATTEMPT: attempt}, folder / "driver.log"), attempt)

    def find(self, job: Job, folder: Path) -> Mapping[str, Any] | None:
        """Look for the driver among the living processes.

        Args:
            job: the job, with the attempt's fence.
            folder: the attempt's folder.

        Returns:
            The handle; None where there is no such process.
        """
        attempt = _attempt(job)
        for process in psutil.process_iter():
            if _environment(process).get(ATTEMPT) == attempt and _is_driver(process, folder):
                return _handle(process.pid, attempt)
        return None

    def is_alive(self, handle: Mapping[str, Any]) -> bool:
        """Whether the driver's process is there and no zombie.

        Args:
            handle: from `start`.

        Returns:
            True while it runs.
        """
        return ProcessId(handle["pid"], handle["started"], handle.get("boot", "")).alive()

    def stop(self, handle: Mapping[str, Any]) -> None:
        """Ask the driver to leave, then end whatever carries its attempt.

        Args:
            handle: from `start`.
        """
        if self.is_alive(handle):
            _end([psutil.Process(handle["pid"])], _GRACE_SECONDS)
        for _ in range(_ROUNDS):
            left = _carrying(handle["attempt"])
            if not left:
                return
            _end(left, 3.0)

    def reason(self, handle: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        """A process waits for nobody; whom its workers wait for, it says itself.

        Args:
            handle: from `start`.

        Returns:
            None.
        """
        return None


def _attempt(job: Job) -> str:
    return f"{job.id}/{job.fence}"


def _carrying(attempt: str) -> list[psutil.Process]:
    """The living processes of an attempt, but for the caller."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid()
        and _environment(process).get(ATTEMPT) == attempt
        and _is_living(process)
    ]


def _is_living(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _handle(pid: int, attempt: str) -> Mapping[str, Any]:
    try:
        process = ProcessId.of(pid)
    except psutil.NoSuchProcess:
        process = ProcessId(pid, 0.0)
    return {**asdict(process), "attempt": attempt}


def _is_driver(process: psutil.Process, folder: Path) -> bool:
    try:
        return str(folder) in process.cmdline() and _is_living(process)
    except psutil.Error:
        return False


def _environment(process: psutil.Process) -> Mapping[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _end(processes: Sequence[psutil.Process], grace_seconds: float) -> None:
    for process in processes:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, left = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=5)
