"""Where replicas of the data plane listen themselves: a request that goes there spares Ray Serve's proxy.

The proxy hands on every piece of an answer through Ray's own streams, which costs more than making the piece does. It
stays the way for everything that has no known replica, and for the moment in which one has gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from tunesmith.stores.state_file import PlatformState

REMEMBERED_SECONDS = 1.0
"""How long a look at what is published is good for."""


class Replicas:
    """The addresses that the controller last published.

    Args:
        read: what it published; asked once a second at most, and only when there is a request.
    """

    def __init__(self, read: Callable[[], PlatformState | None] = lambda: None) -> None:
        self._read = read
        self._known: Mapping[str, Sequence[str]] = {}
        self._gone: set[str] = set()
        self._read_at = -REMEMBERED_SECONDS
        self._turn = 0

    def choose(self, path: str) -> str | None:
        """Choose a replica, each in its turn.

        Args:
            path: route on Ray Serve, `/engine/v1/...`.

        Returns:
            Its address; None where none is known, or the controller has been silent for too long to be believed.
        """
        if time.monotonic() - self._read_at > REMEMBERED_SECONDS:
            self._look()
        known = [url for url in self._known.get(_route(path), ()) if url not in self._gone]
        self._turn += 1
        return known[self._turn % len(known)] if known else None

    def forget(self, url: str) -> None:
        """Leave a replica out that does not answer, until the next look at what is published.

        Args:
            url: its address.
        """
        self._gone.add(url)

    def _look(self) -> None:
        self._read_at = time.monotonic()
        state = self._read()
        self._known = {} if state is None or state.silent else state.replicas
        self._gone.clear()


def _route(path: str) -> str:
    return f"/{path.split('/', 2)[1]}"
