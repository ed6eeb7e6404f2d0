"""How attempts are started on this machine: tied to the platform, and without its credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tunesmith.controller.plan import part_environment
from tunesmith.controller.processes import start_process
from tunesmith.jobs.runners.process import Start
from tunesmith.stores.platform_file import RunningPlatform


def attempt_starter(platform: RunningPlatform) -> Start:
    """What a `ProcessRunner` starts attempts with.

    Args:
        platform: the platform that they belong to, and end with.

    Returns:
        Starts a process in a session of its own, and returns its id.
    """

    def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        tied = {**part_environment(platform, "job"), **environment}
        # In its own folder: beside the platform's record lie Ray's token and the database's address.
        return start_process(command, environment=tied, log=log, folder=log.parent, trusted=False).pid

    return start
