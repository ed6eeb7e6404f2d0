"""Attempts as processes: found again, told apart from others, ended with all they started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from tunesmith.jobs.runners.process import ProcessRunner
from tunesmith.records import Job

JOB = Job("ftjob-1", "default", "ftjob-1", "running", 1, "", {}, 0)
# Stands in for the driver: it has the attempt's folder among its words, and a child that would outlive it.
DRIVER = (
    "import subprocess, sys, time; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); time.sleep(600)"
)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[ProcessRunner]:
    started: list[int] = []

    def start(_command: Sequence[str], environment: Mapping[str, str], _log: Path) -> int:
        command = [sys.executable, "-c", DRIVER, str(tmp_path)]
        started.append(
            subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True).pid
        )
        return started[-1]

    runner = ProcessRunner(tmp_path, start=start)
    yield runner
    runner.stop({"pid": started[-1], "started": 0.0, "attempt": "ftjob-1/1"})


def _children(pid: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 20
    while not (found := psutil.Process(pid).children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_second_start_finds_the_first(runner: ProcessRunner, tmp_path: Path) -> None:
    first = runner.start(JOB, tmp_path)
    _children(first["pid"])
    assert runner.start(JOB, tmp_path) == first
    assert runner.is_alive(first)


def test_stop_ends_the_driver_and_what_it_started(runner: ProcessRunner, tmp_path: Path) -> None:
    handle = runner.start(JOB, tmp_path)
    (child,) = _children(handle["pid"])
    runner.stop(handle)
    assert not runner.is_alive(handle)
    assert not child.is_running()
    runner.stop(handle)


def test_what_a_killed_driver_leaves_is_ended_too(runner: ProcessRunner, tmp_path: Path) -> None:
    handle = runner.start(JOB, tmp_path)
    (child,) = _children(handle["pid"])
    psutil.Process(handle["pid"]).kill()
    deadline = time.monotonic() + 10
    while runner.is_alive(handle):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    runner.stop(handle)
    assert not child.is_running()


def test_another_process_under_the_same_number_is_not_the_attempt(
    runner: ProcessRunner, tmp_path: Path
) -> None:
    handle = runner.start(JOB, tmp_path)
    assert not runner.is_alive({**handle, "started": handle["started"] - 3600})
