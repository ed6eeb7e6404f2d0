"""One driver per job on one machine: a lock file that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.errors import ConflictError


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
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise ConflictError(
                f'Run "{name}" is already being driven by process {file.read().strip() or "?"}. '
                "Wait for it, or stop it, and start again."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
