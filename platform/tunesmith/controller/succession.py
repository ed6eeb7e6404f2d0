"""A process that is started beside the one it shall replace, and takes over once it answers."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from tunesmith.controller.ports import LOOPBACK
from tunesmith.controller.processes import start_process

PATIENCE_SECONDS = 120.0
"""How long a successor may take until it answers, on a machine that is busy."""
_BACKLOG = 2048


class Listener:
    """A listening socket that outlives the processes which accept from it.

    They inherit it, one after the other or two at a time. While none accepts, connections wait in it: a process that is
    replaced, or has died, costs its clients a moment and no refused connection.

    Args:
        port: where it listens, on the loopback interface.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def descriptor(self) -> int:
        """Open it, if need be.

        Returns:
            The file descriptor to hand over.

        Raises:
            OSError: the port cannot be used.
        """
        if self._socket is None:
            opened = socket.socket()
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # A gateway that an earlier controller started may still listen with the socket which that one held.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                opened.bind((LOOPBACK, self._port))
                opened.listen(_BACKLOG)
            except OSError:
                opened.close()
                raise
            self._socket = opened
        return self._socket.fileno()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Successor:
    """One process on its way to take over.

    Args:
        command: program and arguments; told of `--listen-fd` and `--ready-fd`.
        listener: what it accepts from.
        environment: variables on top of the controller's own.
        log: its output.
        folder: its working folder.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        listener: Listener,
        environment: Mapping[str, str],
        log: Path,
        folder: Path,
    ) -> None:
        self._began = time.monotonic()
        self._ready, told = os.pipe()
        handed = (listener.descriptor(), told)
        try:
            self.process: subprocess.Popen[bytes] = start_process(
                [*command, "--listen-fd", str(handed[0]), "--ready-fd", str(told)],
                environment=environment,
                log=log,
                folder=folder,
                pass_fds=handed,
            )
        finally:
            os.close(told)

    def state(self) -> Literal["starting", "ready", "failed"]:
        """Look at it.

        Returns:
            `ready` once it has said that it answers; `failed` when it died first, or took too long.
        """
        if self.process.poll() is not None or time.monotonic() - self._began > PATIENCE_SECONDS:
            return "failed"
        readable, _, _ = select.select([self._ready], [], [], 0)
        return "ready" if readable and os.read(self._ready, 1) else "starting"

    def forget(self) -> None:
        """Close the pipe; the process goes on."""
        with contextlib.suppress(OSError):
            os.close(self._ready)

    def end(self) -> None:
        """Kill it: it has answered nothing yet."""
        self.forget()
        self.process.kill()
        self.process.wait()
