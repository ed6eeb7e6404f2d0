"""Give a running platform a fresh gateway, with no request refused or cut."""

from __future__ import annotations

import os
import signal
import time

from tunesmith.config.home import Home
from tunesmith.errors import ConflictError, UnavailableError
from tunesmith.stores.platform_file import RunningPlatform, read_running

_POLL_SECONDS = 0.2


def restart_gateway(home: Home, *, timeout_seconds: float = 150) -> RunningPlatform:
    """Ask the controller for a new gateway, and wait until it has taken over.

    The old one finishes what it has begun, streams too, for as long as `load.drain_seconds` says.

    Args:
        home: the installation.
        timeout_seconds: how long the new one may take.

    Returns:
        The running platform.

    Raises:
        ConflictError: no platform runs on this home, or its controller has died.
        UnavailableError: the new gateway does not answer; the old one goes on.
    """
    platform = read_running(home)
    controller = platform.pids.get("controller") if platform else None
    if platform is None or controller is None or not controller.alive():
        raise ConflictError(
            f"No controller runs on {home.root}. `tunesmith up` starts it.", code="not_running"
        )
    before = platform.pids.get("gateway")
    os.kill(controller.pid, signal.SIGHUP)
    deadline = time.monotonic() + timeout_seconds
    while (platform := read_running(home) or platform).pids.get("gateway") == before:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"The new gateway does not answer after {timeout_seconds:.0f} s, and the old one goes on. "
                f"Its log says more: {home.run / 'logs' / 'gateway.log'}."
            )
        time.sleep(_POLL_SECONDS)
    return platform
