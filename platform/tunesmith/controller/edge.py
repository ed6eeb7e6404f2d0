"""The one edge of the controller's loops: what goes wrong in one round is logged, and the next round comes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tunesmith.errors import PlatformError

LOG = logging.getLogger("tunesmith.controller")
"""The log of what the loops met."""


@contextmanager
def going_on(what: str) -> Iterator[None]:
    """Log whatever a round meets, with its traceback where nobody expected it, and go on.

    Args:
        what: what did not work, as `jobs` or `the gateway`.

    Yields:
        Nothing.
    """
    try:
        yield
    except PlatformError as error:
        LOG.warning("%s: %s", what, error.message)
    except Exception:
        LOG.exception("%s: unexpected", what)


class Loop(threading.Thread):
    """A thread without which the process is no use: where it ends before it is told to, the process is stopped.

    Args:
        name: what it does.
        run: does it until the event is set.
        stop: set by a signal, or by the end of this thread.
    """

    def __init__(self, name: str, run: Callable[[threading.Event], None], stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._do = run
        self._stop_event = stop
        self.failed = False

    def run(self) -> None:
        """Run until told to stop."""
        try:
            self._do(self._stop_event)
        finally:
            self.failed = not self._stop_event.is_set()
            if self.failed:
                LOG.critical("%s has ended unexpectedly; the process stops, to be started again", self.name)
            self._stop_event.set()
