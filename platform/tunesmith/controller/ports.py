"""Ports on the loopback interface: free ones for the parts, and a word where the wanted one is taken."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Sequence

from tunesmith.errors import ConflictError

LOOPBACK = "127.0.0.1"
# Above the ports of Ray's workers (10002 to 19999), below those that Linux gives to outgoing connections (from 32768).
_QUIET = range(20_000, 32_000)
_TRIES = 64


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """Pick a free port for each name; all are held together while picking, so no two are equal.

    Args:
        names: what the ports are for.

    Returns:
        A port for each name.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in names]
        for listener in sockets:
            _bind_quiet(listener)
        return {name: listener.getsockname()[1] for name, listener in zip(names, sockets, strict=True)}


def _bind_quiet(listener: socket.socket) -> None:
    """Bind to a port that no outgoing connection is given before the part listens there, which may take a minute."""
    for port in random.sample(_QUIET, k=_TRIES):
        with contextlib.suppress(OSError):
            listener.bind((LOOPBACK, port))
            return
    listener.bind((LOOPBACK, 0))


def require_free(port: int) -> None:
    """Make sure that the gateway can listen on a port.

    Args:
        port: the wanted port.

    Raises:
        ConflictError: something else listens there, or it may not be used.
    """
    with socket.socket() as listener:
        # As servers do: a port whose last connections are still winding down counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise ConflictError(
                f"Port {port} on {LOOPBACK} cannot be used: {error.strerror}. "
                "Free it, or choose another one with --port (0 takes a free one).",
                param="port",
                code="port_in_use",
            ) from error
