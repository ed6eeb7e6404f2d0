"""The progress bar of an ingest."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """Files done of files found, with the chunks written; gone when the work is done."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files, {task.fields[chunks]} chunks"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("ingest", total=None, chunks=0)
        self._chunks = 0

    def __enter__(self) -> Bar:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    def waiting(self, what: str) -> None:
        """Show what is waited for."""
        self._bar.update(self._task, description=f"waiting for {what}")

    def files(self, total: int) -> None:
        """Show how many files there are."""
        self._bar.update(self._task, description="ingest", total=total)

    def advance(self, files: int, chunks: int) -> None:
        """Move on."""
        self._chunks += chunks
        self._bar.update(self._task, advance=files, chunks=self._chunks)
