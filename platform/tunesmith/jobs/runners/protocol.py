"""What a controller needs of a place where attempts run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tunesmith.records import Job


class Runner(Protocol):
    """Starts attempts, finds them again, ends them. A handle is JSON: it outlives the controller."""

    @property
    def outlives_controller(self) -> bool:
        """Whether attempts go on where no controller runs; else it ends them when it leaves."""
        ...

    def start(self, job: Job, folder: Path) -> Mapping[str, Any]:
        """Start the newest attempt at a job, unless it runs already.

        Args:
            job: the job, with the attempt's fence.
            folder: the attempt's folder, with its order.

        Returns:
            The handle. Called twice for one attempt, the second call finds what the first one started.
        """
        ...

    def find(self, job: Job, folder: Path) -> Mapping[str, Any] | None:
        """Find the newest attempt at a job where `start` may have been called and its handle was never kept.

        Args:
            job: the job, with the attempt's fence.
            folder: the attempt's folder.

        Returns:
            The handle; None where nothing of it is there.
        """
        ...

    def is_alive(self, handle: Mapping[str, Any]) -> bool:
        """Whether the attempt still runs.

        Args:
            handle: from `start`.

        Returns:
            False once it can write nothing any more.
        """
        ...

    def stop(self, handle: Mapping[str, Any]) -> None:
        """End an attempt and all that it started; one that has ended is fine.

        Args:
            handle: from `start`.
        """
        ...

    def reason(self, handle: Mapping[str, Any]) -> str | None:
        """Say why an attempt that was started does not run yet.

        Args:
            handle: from `start`.

        Returns:
            One line for its owner; None where it runs, has ended, or simply starts.
        """
        ...
