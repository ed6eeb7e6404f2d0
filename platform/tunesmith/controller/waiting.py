"""Why an attempt that was started does not run yet: asked now and then, told when the answer changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from tunesmith.errors import PlatformError
from tunesmith.jobs.runners.protocol import Runner
from tunesmith.records import Job

_SECONDS_BETWEEN_QUESTIONS = 10.0
LOG = logging.getLogger("tunesmith.controller.waiting")
"""What could not be asked."""


class WaitingReasons:
    """Remembers what the owners of jobs were told.

    Args:
        runner: where attempts run.
        seconds_between_questions: for one job.
    """

    def __init__(
        self, runner: Runner, *, seconds_between_questions: float = _SECONDS_BETWEEN_QUESTIONS
    ) -> None:
        self._runner = runner
        self._pause = seconds_between_questions
        self._told: dict[str, str | None] = {}
        self._next: dict[str, float] = {}

    def news(self, job: Job, handle: Mapping[str, Any]) -> str | None:
        """Ask, unless it was asked a moment ago.

        Args:
            job: a job whose attempt lives.
            handle: its attempt.

        Returns:
            One line, where it differs from what was told last.
        """
        attempt = f"{job.id}/{job.fence}"
        if time.monotonic() < self._next.get(attempt, 0.0):
            return None
        self._next = {**self._later(), attempt: time.monotonic() + self._pause}
        try:
            reason = self._runner.reason(handle)
        except PlatformError as error:
            LOG.info("%s: %s", attempt, error.message)
            return None
        if reason == self._told.get(attempt):
            return None
        kept = {known: self._told[known] for known in self._told if known in self._next}
        self._told = {**kept, attempt: reason}
        return reason

    def _later(self) -> dict[str, float]:
        """Those asked lately; what has ended is forgotten with time."""
        long_ago = time.monotonic() - 60 * self._pause
        return {attempt: at for attempt, at in self._next.items() if at > long_ago}
