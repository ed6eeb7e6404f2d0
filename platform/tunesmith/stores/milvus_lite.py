"""Milvus Lite inside this process: the home's own vector store while no platform runs.

Milvus Lite locks its data folder, so one process at a time holds it: `tunesmith up` (its server),
or one `ingest` or `search`. They may take turns in any order; a killed holder loses nothing that was
acknowledged (Milvus Lite replays its log).
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from milvus_lite import DataDirLockedError
from milvus_lite.adapter.grpc.server import start_server_in_thread

from tunesmith.errors import ConflictError, StorageError

_POLL_SECONDS = 0.1


class EmbeddedMilvus:
    """A Milvus Lite server on a free loopback port, in threads of this process.

    Args:
        folder: its data; made if need be.
        wait_seconds: how long to wait for another process to let go of the folder.

    Raises:
        ConflictError: another process holds the folder.
        StorageError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, wait_seconds: float = 10) -> None:
        # Milvus Lite logs a line for each segment it rebuilds; a person's terminal should not see them.
        logging.getLogger("milvus_lite").setLevel(logging.ERROR)
        self._server, self._database, port = _start(folder, time.monotonic() + wait_seconds)
        self.uri = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        """Stop serving, write out what is in memory and let go of the folder."""
        self._server.stop(grace=2).wait()
        self._database.close()


def _start(folder: Path, deadline: float) -> tuple[Any, Any, int]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                server, database, port = start_server_in_thread(str(folder), host="127.0.0.1", port=0)
                return server, database, port
            except DataDirLockedError as error:
                if time.monotonic() > deadline:
                    raise ConflictError(
                        f"The vectors in {folder} are in use by another process (an ingest or a search). "
                        "Wait for it, or run `tunesmith up`, which lets several work at once.",
                        code="vectors_locked",
                    ) from error
                time.sleep(_POLL_SECONDS)
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written: {error.strerror}. Set TUNESMITH_HOME elsewhere."
        ) from error
