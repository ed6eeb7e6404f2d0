from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.controller.waiting import WaitingReasons
from tunesmith.errors import UnavailableError
from tunesmith.records import Job

JOB = Job("ftjob-1", "default", "a", "running", 1, "", {}, 0)
LATER = Job("ftjob-1", "default", "a", "running", 2, "", {}, 0)


class Told:
    """A runner that says what a test has it say."""

    outlives_controller = True
    said: Any = None
    asked = 0

    def reason(self, handle: Mapping[str, Any]) -> str | None:
        self.asked += 1
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def start(self, job: Job, folder: Any) -> Mapping[str, Any]: ...
    def find(self, job: Job, folder: Any) -> Mapping[str, Any] | None: ...
    def is_alive(self, handle: Mapping[str, Any]) -> bool: ...
    def stop(self, handle: Mapping[str, Any]) -> None: ...


def test_each_reason_is_told_once_and_again_after_another() -> None:
    runner = Told()
    waiting = WaitingReasons(runner, seconds_between_questions=0)
    told = []
    for runner.said in (None, "no GPU", "no GPU", None, "no GPU", "no image"):
        told.append(waiting.news(JOB, {}))
    assert told == [None, "no GPU", None, None, "no GPU", "no image"]


def test_the_next_attempt_is_told_anew() -> None:
    runner = Told()
    runner.said = "no GPU"
    waiting = WaitingReasons(runner, seconds_between_questions=0)
    assert waiting.news(JOB, {}) == waiting.news(LATER, {}) == "no GPU"


def test_the_cluster_is_not_asked_at_every_look() -> None:
    runner = Told()
    waiting = WaitingReasons(runner, seconds_between_questions=60)
    for _ in range(5):
        waiting.news(JOB, {})
    assert runner.asked == 1


def test_a_question_that_fails_is_no_reason() -> None:
    runner = Told()
    runner.said = UnavailableError("busy")
    assert WaitingReasons(runner).news(JOB, {}) is None
