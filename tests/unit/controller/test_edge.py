"""A loop outlives what goes wrong in a round; where it ends all the same, its process ends too."""

from __future__ import annotations

import logging
import threading

import pytest

from tunesmith.controller.edge import Loop, going_on
from tunesmith.errors import StorageError


def test_what_was_not_expected_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with going_on("jobs"):
        raise KeyError("data_hash")
    with going_on("jobs"):
        raise StorageError("The disk is full.")
    unexpected, full = caplog.records
    assert (unexpected.levelno, unexpected.exc_info is not None) == (logging.ERROR, True)
    assert (full.getMessage(), full.exc_info) == ("jobs: The disk is full.", None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_ends_unexpectedly_stops_the_process(caplog: pytest.LogCaptureFixture) -> None:
    def run(_stop: threading.Event) -> None:
        raise SystemError("broken")

    stop = threading.Event()
    loop = Loop("jobs", run, stop)
    loop.start()
    assert stop.wait(5)
    loop.join()
    assert loop.failed
    assert "jobs has ended unexpectedly" in caplog.text


def test_a_loop_that_was_told_to_stop_has_not_failed() -> None:
    stop = threading.Event()
    loop = Loop("jobs", lambda told: bool(told.wait()) and None, stop)
    loop.start()
    stop.set()
    loop.join()
    assert not loop.failed
