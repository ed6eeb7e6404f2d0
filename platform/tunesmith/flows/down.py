"""Take the platform of one home down, so that no process of it is left."""

from __future__ import annotations

import contextlib
import shutil
import time

import psutil

from tunesmith.config.home import Home
from tunesmith.controller.processes import end_processes, sweep
from tunesmith.stores.platform_file import read_record

_CONTROLLER_SECONDS = 25.0
"""The controller ends Ray, the vector store and the gateway in their own time before it ends itself."""


def take_down(home: Home) -> bool:
    """End every process of a home's platform; asking twice is fine.

    Args:
        home: the installation.

    Returns:
        Whether anything was running.
    """
    was_running = _end_controller(home)
    was_running |= sweep(home.root) > 0
    clear_record(home)
    return was_running


def _end_controller(home: Home) -> bool:
    platform = read_record(home)
    controller = platform.pids.get("controller") if platform else None
    if controller is None or not controller.alive():
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        end_processes([psutil.Process(controller.pid)], grace_seconds=_CONTROLLER_SECONDS)
    return True


def clear_record(home: Home) -> None:
    """Remove what describes a running platform: record, state, Ray's token and temp folder.

    Args:
        home: the installation; its platform has no process any more.
    """
    platform = read_record(home)
    if platform:
        _remove_folder(platform.ray_temp_dir)
    for path in (home.platform_file, home.run / "state.json", home.run / "ray.token"):
        path.unlink(missing_ok=True)


def _remove_folder(folder: object, attempts: int = 3) -> None:
    # A process that was just killed may still be writing its last log line.
    for _ in range(attempts):
        shutil.rmtree(str(folder), ignore_errors=True)
        time.sleep(0.05)
