"""Whether the head of the cluster that a run has joined still lives.

A head that died is started anew within seconds, under the same address. So it is not enough that something answers
there: a run is lost with the head that it joined, and Ray may wait for that one for minutes, or for ever.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from tunesmith.errors import UnavailableError
from tunesmith.stores.platform_file import ProcessId

_SECONDS_OF_DYING = 5.0
"""The process that watches over Ray's own ends a moment after the first of them."""
_SECONDS_TO_LEAVE = 30.0


def require_head(head: ProcessId | None, *, patience_seconds: float = 0.0) -> None:
    """Make sure that the head that a run joined is still there.

    Args:
        head: its process; None where that is not on this machine.
        patience_seconds: how long it may be found dying.

    Raises:
        UnavailableError: it has ended.
    """
    deadline = time.monotonic() + patience_seconds
    while head is not None:
        if not head.alive():
            raise UnavailableError(
                "The Ray cluster ended under the run. It goes on from its last checkpoint when the cluster is back."
            )
        if time.monotonic() >= deadline:
            return
        time.sleep(0.2)


def require_it_was_not_the_head(head: ProcessId | None) -> None:
    """Ask whether workers failed because the cluster died: that is no fault of the run.

    Args:
        head: the head that the run joined.

    Raises:
        UnavailableError: it has ended, or ends just now.
    """
    require_head(head, patience_seconds=_SECONDS_OF_DYING)


def leave_for_sure(seconds: float = _SECONDS_TO_LEAVE) -> None:
    """End this process in a while, whatever then still waits for a cluster that is gone.

    Args:
        seconds: how long it may take to end by itself.
    """
    timer = threading.Timer(seconds, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    print(
        "Ray does not let go of a cluster that has ended; the process leaves. The same command goes on.",
        file=sys.stderr,
    )
    sys.stderr.flush()
    os._exit(1)
