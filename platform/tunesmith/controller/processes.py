"""Processes of a home: started in sessions of their own, found again by their environment, ended for good.

Every process that belongs to a platform carries `TUNESMITH_INSTANCE`, `TUNESMITH_HOME` and
`TUNESMITH_PART`; its children, Ray workers included, inherit them. So nothing is ever ended by name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from tunesmith.controller.credentials import without_credentials
from tunesmith.errors import StorageError

INSTANCE = "TUNESMITH_INSTANCE"
HOME = "TUNESMITH_HOME"
PART = "TUNESMITH_PART"
# What a caller's shell may hold that would make a part join another Ray cluster.
_FOREIGN = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_AUTH_TOKEN")


def start_process(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    folder: Path,
    pass_fds: Sequence[int] = (),
    trusted: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, with its output in a log.

    Args:
        command: program and arguments.
        environment: variables on top of the caller's own.
        log: file for standard output and error; appended to.
        folder: working folder.
        pass_fds: open files that it inherits, under the same numbers.
        trusted: whether it inherits the caller's credentials too; what runs recipes, models or submissions does not.

    Returns:
        The started process.

    Raises:
        StorageError: the log cannot be written.
    """
    own = os.environ if trusted else without_credentials(os.environ)
    inherited = {name: value for name, value in own.items() if name not in _FOREIGN}
    # So that `ray job submit -- tunesmith train ...` finds the commands of this environment, activated or not.
    inherited["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)))
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                env={**inherited, **environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=pass_fds,
            )
    except OSError as error:
        raise StorageError(f"{command[0]} cannot be started with its log {log}: {error.strerror}.") from error


def processes_of(home: Path, *, instance: str | None = None, part: str | None = None) -> list[psutil.Process]:
    """Find every living process of a home's platform by its environment; never the caller itself.

    Args:
        home: the home folder, however it is written.
        instance: only those of this start; unset: of any.
        part: only those of this part (a part's children count as the part).

    Returns:
        The processes, oldest first.
    """
    root, wanted = os.path.realpath(home), {INSTANCE: instance, PART: part}
    found = [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _belongs(process, root, wanted)
    ]
    return sorted(found, key=_start_time)


def _belongs(process: psutil.Process, root: str, wanted: Mapping[str, str | None]) -> bool:
    try:
        environment = process.environ()
        living = process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        # Gone meanwhile, a zombie, or someone else's process.
        return False
    return (
        living
        and INSTANCE in environment
        and all(value in (None, environment.get(name)) for name, value in wanted.items())
        and _is_home(environment.get(HOME, ""), root)
    )


def _is_home(written: str, root: str) -> bool:
    # What is relative to the process's own folder says nothing here.
    return Path(written).is_absolute() and os.path.realpath(written) == root


def _start_time(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.NoSuchProcess:
        return 0.0


def end_processes(processes: Iterable[psutil.Process], *, grace_seconds: float) -> None:
    """Ask processes to end, wait, and kill those that remain.

    Args:
        processes: which; those already gone are fine.
        grace_seconds: how long they may take to end by themselves.
    """
    processes = list(processes)
    _signal(processes, signal.SIGTERM)
    _, remaining = psutil.wait_procs(processes, timeout=grace_seconds)
    _signal(remaining, signal.SIGKILL)
    psutil.wait_procs(remaining, timeout=5)


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            # Gone meanwhile, or another user's: callers look at what is left.
            continue


def sweep(
    home: Path, *, instance: str | None = None, part: str | None = None, grace_seconds: float = 3.0
) -> int:
    """End every process of a home's platform, also those that appear meanwhile.

    Args:
        home: the home folder, however it is written.
        instance: only those of this start; unset: of any.
        part: only those of this part.
        grace_seconds: how long they may take to end by themselves.

    Returns:
        How many there were.
    """
    ended, deadline = 0, time.monotonic() + grace_seconds + 30
    while time.monotonic() < deadline:
        processes = processes_of(home, instance=instance, part=part)
        if not processes:
            break
        ended += len(processes)
        end_processes(processes, grace_seconds=grace_seconds)
    return ended
