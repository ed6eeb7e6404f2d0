"""An object on its way in or out, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

PIECE_BYTES = 4 * 2**20
"""Objects are read in pieces of at most this size."""
Telling = Callable[[str], AbstractContextManager[None]]
"""Tells the errors of a block as ours; takes what was done: `read` or `written`."""


class Draft(Protocol):
    """An object that is being written; no key names it yet."""

    def write(self, data: bytes | memoryview) -> None:
        """Append some bytes."""

    def commit(self) -> None:
        """Make the object appear, whole and for good."""

    def abort(self) -> None:
        """Leave nothing behind."""


class OpenObject(Protocol):
    """An object that is being read."""

    @property
    def size(self) -> int:
        """Its bytes."""

    def fetch(self, start: int, stop: int) -> bytes:
        """Read a range; may return less than was asked for, but only at the end nothing."""

    def close(self) -> None:
        """Let go of it."""


class ObjectWriter:
    """An object in the making: a context manager, or `commit` and `abort` by hand.

    Args:
        draft: the backend's.
        told: tells the backend's errors.
    """

    def __init__(self, draft: Draft, *, told: Telling) -> None:
        self._draft = draft
        self._told = told
        self._open = True
        self.size = 0
        """Bytes written so far."""

    def write(self, data: bytes | memoryview) -> None:
        """Append some bytes.

        Args:
            data: the bytes; not looked at again afterwards.

        Raises:
            StorageError: they cannot be written; abort.
        """
        with self._told("written"):
            self._draft.write(data)
        self.size += len(data)

    def commit(self) -> None:
        """Make the object appear. When this raises, nothing is left.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            with self._told("written"):
                self._draft.commit()
            self._open = False
        finally:
            self.abort()

    def abort(self) -> None:
        """Leave nothing behind, unless it was committed.

        Raises:
            StorageError: the store cannot be written.
        """
        if self._open:
            self._open = False
            with self._told("written"):
                self._draft.abort()

    def __enter__(self) -> Self:
        """Begin a block that makes the object appear when it ends well."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or abort if the block raised."""
        if kind is None:
            self.commit()
        else:
            self.abort()


class ObjectReader:
    """The bytes of an object or of a range of it, piece by piece.

    Args:
        opened: the backend's.
        start: first byte.
        stop: byte after the last one; None reads to the end.
        told: tells the backend's errors.
    """

    def __init__(self, opened: OpenObject, *, start: int, stop: int | None, told: Telling) -> None:
        self._opened = opened
        self._told = told
        self._start = min(start, opened.size)
        self._stop = opened.size if stop is None else max(self._start, min(stop, opened.size))

    @property
    def size(self) -> int:
        """Bytes that iteration gives."""
        return self._stop - self._start

    def __iter__(self) -> Iterator[bytes]:
        """Read the bytes.

        Yields:
            Pieces of at most `PIECE_BYTES`.

        Raises:
            StorageError: the store cannot be read, or the object ended before its end.
        """
        position = self._start
        while position < self._stop:
            with self._told("read"):
                piece = self._opened.fetch(position, min(position + PIECE_BYTES, self._stop))
                if not piece:
                    raise EOFError(f"an object ended after {position} of {self._stop} bytes")
            position += len(piece)
            yield piece

    def close(self) -> None:
        """Let go of the object."""
        self._opened.close()

    def __enter__(self) -> Self:
        """Begin a block that closes the object when it ends."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close."""
        self.close()
