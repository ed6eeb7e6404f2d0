"""One driver per job on one machine: a lock file that dies with its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tunesmith.errors import ConflictError

_TRIES = 5
_SECONDS_BETWEEN_TRIES = 0.05


@contextmanager
def hold_name(folder: Path, name: str) -> Iterator[None]:
    """Hold a run's name while the block runs.

    The kernel drops the lock when the holder dies, however it dies; the pid in the file is for the message.

    Args:
        folder: where lock files lie.
        name: the run's name.

    Yields:
        Nothing.

    Raises:
        ConflictError: another living process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("a+", encoding="ascii") as file:
        if not _taken(file):
            file.seek(0)
            raise ConflictError(
                f'Run "{name}" is already being driven by process {file.read().strip() or "?"}. '
                "Wait for it, or stop it, and start again."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_held(folder: Path, name: str) -> bool:
    """Whether a living process on this machine holds a run's name.

    Args:
        folder: where lock files lie.
        name: the run's name.

    Returns:
        True while one does.
    """
    path = folder / f"{name}.lock"
    if not path.exists():
        return False
    with path.open(encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def _taken(file: IO[str]) -> bool:
    """Try a few times: whoever looks whether a name is held, holds it himself for an instant."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(_SECONDS_BETWEEN_TRIES)
    return False
