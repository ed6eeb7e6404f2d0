"""One ingest at a time on a home: Milvus Lite takes one writer, and two versions of a file must not interleave."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from tunesmith.config.home import Home
from tunesmith.errors import StorageError
from tunesmith.ingest.progress import Progress


@contextmanager
def ingest_turn(home: Home, progress: Progress) -> Iterator[None]:
    """Wait until no other ingest writes to this home. A killed one gives its turn up by itself.

    Args:
        home: the installation.
        progress: told when there is something to wait for.

    Yields:
        Nothing; the turn ends with the block.

    Raises:
        StorageError: the home cannot be written.
    """
    try:
        home.make()
        lock = (home.root / "ingest.lock").open("w")
    except OSError as error:
        raise StorageError(
            f"{home.root} cannot be written: {error.strerror}. Set TUNESMITH_HOME elsewhere."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.waiting("another ingest")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
