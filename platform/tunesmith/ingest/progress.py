"""How far an ingest is: a bar on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told what an ingest does."""

    def waiting(self, what: str) -> None:
        """Nothing goes on until something else is done.

        Args:
            what: what is waited for.
        """

    def files(self, total: int) -> None:
        """So many files are looked at.

        Args:
            total: their number.
        """

    def advance(self, files: int, chunks: int) -> None:
        """More is done.

        Args:
            files: files dealt with since the last call.
            chunks: chunks written since the last call.
        """


class Silent:
    """Says nothing."""

    def waiting(self, what: str) -> None:
        """Say nothing."""

    def files(self, total: int) -> None:
        """Say nothing."""

    def advance(self, files: int, chunks: int) -> None:
        """Say nothing."""


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """A progress bar on stderr where that is a terminal.

    Yields:
        What to tell.
    """
    if not sys.stderr.isatty():
        yield Silent()
        return
    from tunesmith.ingest.bar import Bar

    with Bar() as bar:
        yield bar
