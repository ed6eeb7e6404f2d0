"""What an ingest did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read, or a folder that could not be listed; `reason` is the rest of a sentence."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        store: name of the store.
        added: paths of new documents.
        changed: paths of documents whose chunks were replaced.
        unchanged: paths of documents that were left alone.
        removed: paths of documents that were taken out.
        failed: files and folders that could not be read; what the store held of them stays.
        chunks: chunks of the whole store afterwards.
        chunks_written: chunks that were embedded and written.
        seconds: how long it took.
    """

    store: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    failed: tuple[Failure, ...]
    chunks: int
    chunks_written: int
    seconds: float

    @property
    def read(self) -> int:
        """Files that could be read."""
        return len(self.added) + len(self.changed) + len(self.unchanged)

    @property
    def fruitless(self) -> bool:
        """Whether nothing at all could be read or removed."""
        return not self.read and not self.removed

    def as_json(self) -> dict[str, Any]:
        """Counts, names of what changed, and the reason of every failure.

        Returns:
            A JSON-ready mapping.
        """
        return {
            "store": self.store,
            "added": list(self.added),
            "changed": list(self.changed),
            "unchanged": len(self.unchanged),
            "removed": list(self.removed),
            "failed": [{"document": failure.path, "reason": failure.reason} for failure in self.failed],
            "chunks": self.chunks,
            "chunks_written": self.chunks_written,
            "seconds": round(self.seconds, 2),
        }

    def summary(self) -> str:
        """One line for a person.

        Returns:
            `documents: 40 added, 2 changed, ...; 312 chunks, 18 of them new, in 4.2 s`.
        """
        counts = {
            "added": self.added,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "removed": self.removed,
            "unreadable": self.failed,
        }
        told = ", ".join(f"{len(paths)} {what}" for what, paths in counts.items() if paths) or "no files"
        return f"{self.store}: {told}; {self.chunks} chunks, {self.chunks_written} written in {self.seconds:.1f} s"
