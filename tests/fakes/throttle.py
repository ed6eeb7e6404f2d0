"""A slow line to a server: a TCP proxy that takes from its clients no more than so many bytes a second."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE_BYTES = 2**16


class _Pace:
    """Lets bytes through at a rate, over all connections together."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def wait(self, size: int) -> None:
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size / self._rate
            free_at = self._free_at
        time.sleep(max(0.0, free_at - time.monotonic()))


@contextmanager
def throttled(address: str, *, bytes_per_second: float) -> Iterator[str]:
    """Stand before the server at `host:port`; gives the address of the slow line to it.

    What is not taken yet stays in the client, or in the buffers of the kernel, which are kept small.
    """
    host, _, port = address.partition(":")
    pace, listener = _Pace(bytes_per_second), socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE_BYTES)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)

    def accept() -> None:
        with suppress(OSError):  # closed: the end
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((host, int(port)))
                threading.Thread(target=_pump, args=(client, server, pace), daemon=True).start()
                threading.Thread(target=_pump, args=(server, client, None), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _pump(source: socket.socket, target: socket.socket, pace: _Pace | None) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            if pace:
                pace.wait(len(piece))
            target.sendall(piece)
    for side in (source, target):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
