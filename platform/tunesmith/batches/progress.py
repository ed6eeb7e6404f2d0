"""Which lines are done, said in few words although they are done in any order.

    lines    1 2 3 4 5 6 7 8
    done     x x x . x . x .        cursor = 4, ahead = [5, 7]

Whoever goes on later reads from the cursor and passes over what is ahead of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tunesmith.batches.lines import Line


@dataclass(frozen=True, slots=True)
class Cursor:
    """Which lines are done.

    Attributes:
        line: number of the first line that may not be done.
        offset: its first byte.
        ahead: numbers of later lines that are done.
    """

    line: int
    offset: int
    ahead: tuple[int, ...]


class Progress:
    """Follows one reader of a batch's lines.

    Args:
        cursor: where the reader began.
    """

    def __init__(self, cursor: Cursor) -> None:
        self._done = set(cursor.ahead)
        self._open: dict[int, int] = {}
        self._next = (cursor.line, cursor.offset)

    def take(self, line: Line) -> bool:
        """Note that a line was read; they come in order.

        Args:
            line: the line.

        Returns:
            Whether it is still to be done.
        """
        self._next = (line.number + 1, line.end)
        if line.number in self._done:
            return False
        self._open[line.number] = line.start
        return True

    def finish(self, numbers: Iterable[int]) -> Cursor:
        """Note that lines are done.

        Args:
            numbers: their numbers; each was taken.

        Returns:
            What to remember.
        """
        for number in numbers:
            del self._open[number]
            self._done.add(number)
        line, offset = next(iter(self._open.items()), self._next)
        self._done = {number for number in self._done if number >= line}
        return Cursor(line, offset, tuple(sorted(self._done)))
