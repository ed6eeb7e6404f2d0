"""Whether a part answers: quick questions over the loopback interface that never raise."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 2.0


def answers_http(url: str, *, token: str | None = None) -> Callable[[], bool]:
    """Ask for a page.

    Args:
        url: the page.
        token: sent as a bearer token.

    Returns:
        A probe that is true where the answer is 200.
    """
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    def probe() -> bool:
        # Asked every second for days: the standard library's client costs a tenth of a full one.
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", parts.path, headers=headers)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    return probe


def touched_lately(file: Path, *, within_seconds: float = 10.0) -> Callable[[], bool]:
    """Look at when a file was last touched, of a process that has no address.

    Args:
        file: what the process touches.
        within_seconds: how long ago is lately.

    Returns:
        A probe that is true where it was.
    """

    def probe() -> bool:
        try:
            return time.time() - file.stat().st_mtime < within_seconds
        except OSError:
            return False

    return probe


def answers_tcp(host: str, port: int) -> Callable[[], bool]:
    """Open a connection.

    Args:
        host: where.
        port: where.

    Returns:
        A probe that is true where something listens.
    """

    def probe() -> bool:
        try:
            with socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS):
                return True
        except OSError:
            return False

    return probe
