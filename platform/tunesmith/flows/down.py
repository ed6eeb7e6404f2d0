"""Take the platform of one home down, so that no process of it is left."""

from __future__ import annotations

import contextlib
import shutil
import time

import psutil

from tunesmith.config.home import Home
from tunesmith.controller.processes import end_processes, processes_of, sweep
from tunesmith.errors import ConflictError
from tunesmith.stores.platform_file import RunningPlatform, read_record

_CONTROLLER_SECONDS = 25.0
"""The controller ends Ray, the vector store and the gateway in their own time before it ends itself."""


def take_down(home: Home) -> bool:
    """End every process of a home's platform; asking twice is fine.

    Args:
        home: the installation.

    Returns:
        Whether anything was running.

    Raises:
        ConflictError: a process does not end; the record of the platform stays.
    """
    platform = read_record(home)
    was_running = _end_controller(platform)
    was_running |= sweep(home.root) > 0
    if platform:
        # Its processes know the home by the path it had when they were started; the folder may have moved since.
        was_running |= sweep(platform.home, instance=platform.instance) > 0
    _require_ended(home, platform)
    clear_record(home)
    return was_running


def _end_controller(platform: RunningPlatform | None) -> bool:
    controller = platform.pids.get("controller") if platform else None
    if controller is None or not controller.alive():
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        end_processes([psutil.Process(controller.pid)], grace_seconds=_CONTROLLER_SECONDS)
    return True


def _require_ended(home: Home, platform: RunningPlatform | None) -> None:
    left = {process.pid for process in processes_of(home.root)}
    if platform:
        left |= {process.pid for process in processes_of(platform.home, instance=platform.instance)}
        # Of another user's processes nothing can be read but that they are there.
        left |= {process.pid for process in platform.pids.values() if process.alive()}
    if left:
        raise ConflictError(
            f"Of the platform on {home.root} these processes do not end: {', '.join(map(str, sorted(left)))}. "
            "Run `tunesmith down` again, as the user that started it.",
            code="still_running",
        )


def clear_record(home: Home) -> None:
    """Remove what describes a running platform: record, state, Ray's token and temp folder, the database's address.

    Args:
        home: the installation; its platform has no process any more.
    """
    platform = read_record(home)
    if platform:
        _remove_folder(platform.ray_temp_dir)
    for path in (
        home.platform_file,
        home.run / "state.json",
        home.run / "ray.token",
        home.database_url_file,
    ):
        path.unlink(missing_ok=True)


def _remove_folder(folder: object, attempts: int = 3) -> None:
    # A process that was just killed may still be writing its last log line.
    for _ in range(attempts):
        shutil.rmtree(str(folder), ignore_errors=True)
        time.sleep(0.05)
