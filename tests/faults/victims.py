"""What is killed, as the kernel kills where memory ends: without a word."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import psutil
from live_platform import LivePlatform
from moments import PHASES, Phase

from tunesmith.controller.processes import processes_of
from tunesmith.jobs.runners.process import ATTEMPT

Victim = Literal["gateway", "controller", "runner", "ray head"]
VICTIMS: tuple[Victim, ...] = get_args(Victim)
_RAY = ("all of it", "ray", "gcs_server", "raylet")
"""`ray` is the process that the controller watches; the others are its children."""


def phases_of(victim: Victim) -> tuple[Phase, ...]:
    """Phases in which there is such a process: a runner lives as long as its attempt."""
    return ("starting", "training", "committing") if victim == "runner" else PHASES


def kill(platform: LivePlatform, victim: Victim, job_id: str, chance: random.Random) -> str:
    """Kill it; answers what was hit, in words."""
    match victim:
        case "runner":
            return _kill_soon(lambda: drivers(job_id), "runner")
        case "ray head":
            which = chance.choice(_RAY)
            return _kill_soon(lambda: _ray_processes(platform, which), f"ray head ({which})")
        case _:
            return _kill_soon(lambda: _main_process(platform, victim), victim)


def drivers(job_id: str) -> list[psutil.Process]:
    """The processes that drive attempts at a job."""
    return [each for each in attempt_processes(job_id) if "--attempt" in _command(each)]


def attempt_processes(job_id: str) -> list[psutil.Process]:
    """The living processes that carry an attempt at a job."""
    return [each for each in psutil.process_iter() if _carries(each, job_id)]


def writers(folder: Path) -> list[str]:
    """The processes, Ray's workers among them, that hold a file below a folder open."""
    return [
        f"{process.pid} {' '.join(_command(process))[:100]}"
        for process in psutil.process_iter()
        if any(path.startswith(f"{folder}/") for path in _open_files(process))
    ]


def _kill_soon(find: Callable[[], Sequence[psutil.Process]], name: str) -> str:
    # Between two steps of a start there may be none for a moment.
    deadline = time.monotonic() + 2
    while not (found := find()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in found:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    return name if found else f"{name} (was gone)"


def _main_process(platform: LivePlatform, name: str) -> list[psutil.Process]:
    process = platform.record.pids.get(name)
    return [psutil.Process(process.pid)] if process and process.alive() else []


def _ray_processes(platform: LivePlatform, which: str) -> Sequence[psutil.Process]:
    if which == "ray":
        return _main_process(platform, "ray")
    record = platform.record
    processes = processes_of(record.home, instance=record.instance, part="ray")
    if which == "all of it":
        return processes
    return [each for each in processes if (words := _command(each)) and Path(words[0]).name == which]


def _carries(process: psutil.Process, job_id: str) -> bool:
    try:
        living = process.status() != psutil.STATUS_ZOMBIE
        return living and process.environ().get(ATTEMPT, "").startswith(job_id)
    except (psutil.Error, OSError):
        return False


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _open_files(process: psutil.Process) -> list[str]:
    try:
        return [file.path for file in process.open_files()]
    except (psutil.Error, OSError):
        return []
