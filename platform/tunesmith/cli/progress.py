"""A bar for work that is counted, where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counted_progress(what: str) -> Iterator[Callable[[int], None]]:
    """Show how far a counted work is; nothing where stderr is no terminal.

    Args:
        what: what is counted, plural.

    Yields:
        A function to call after each piece, with the number of all pieces.
    """
    if not sys.stderr.isatty():
        yield lambda _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task(what, total=None)

        def advance(total: int) -> None:
            progress.update(task, total=total, advance=1)

        yield advance
