"""How an attempt is started on another machine, and where what it printed is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunesmith.stores.atomic import write_atomic

PROGRAM = ("tunesmith",)
"""The command line's name in the image."""
_LONGEST_LOG = 4 * 2**20


def driver_command(attempt: str, *, program: Sequence[str] = PROGRAM) -> list[str]:
    """The words that run an attempt.

    Args:
        attempt: its folder, or its folder's place in the object store.
        program: what stands before `train`.

    Returns:
        Program and arguments.
    """
    return [*program, "train", "--attempt", attempt]


def keep_log(path: Path, text: str) -> None:
    """Keep what a driver printed, before its cluster goes.

    Args:
        path: `driver.log` of the attempt.
        text: all that is known of it; of a very long one the end is kept.

    Raises:
        StorageError: it cannot be written.
    """
    if text:
        write_atomic(path, text[-_LONGEST_LOG:])
