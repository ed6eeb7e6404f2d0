"""How the driver puts what a worker told."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import StorageError, TrainingError, UnavailableError
from tunesmith.stores.platform_file import ProcessId
from tunesmith.train import fit as module
from tunesmith.train.cluster import Cluster
from tunesmith.train.fit import _raise_told, fit


def test_full_disk_says_that_the_same_command_goes_on() -> None:
    with pytest.raises(StorageError, match=r"disk full\. The same command goes on"):
        _raise_told({"type": "failed", "error": "StorageError", "message": "disk full."})


def test_what_would_come_again_promises_nothing() -> None:
    with pytest.raises(TrainingError, match=r"^loss is nan at step 7\.$"):
        _raise_told({"type": "failed", "error": "TrainingError", "message": "loss is nan at step 7."})


def test_nothing_told_is_no_error() -> None:
    _raise_told(None)


@pytest.fixture
def head() -> Iterator[subprocess.Popen[bytes]]:
    """A process in the place of the platform's Ray head."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


@pytest.fixture
def run(
    head: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., None]:
    """Runs `fit` on a cluster that is joined, with this in the trainer's place."""
    cluster = Cluster("127.0.0.1:9", head=ProcessId.of(head.pid))
    # Where the death of the head is seen first, it would end the session half a minute later.
    monkeypatch.setattr(module, "leave_for_sure", lambda: None)

    @contextmanager
    def session(*_: Any, **__: Any) -> Iterator[bool]:
        yield False

    def do(train: Callable[[], None]) -> None:
        monkeypatch.setattr(module, "find_cluster", lambda _home: cluster)
        monkeypatch.setattr(module, "ray_session", session)
        monkeypatch.setattr(module, "_tell_if_waiting", lambda _spec: None)
        monkeypatch.setattr(module, "require_cluster", lambda _home: None)  # a new head answers already
        monkeypatch.setattr(module, "_trainer", lambda *_, **__: SimpleNamespace(fit=train))
        resources = SimpleNamespace(max_failures=3)
        spec: Any = SimpleNamespace(config=SimpleNamespace(resources=resources), attempt_folder=tmp_path)
        fit(spec, home=Home(tmp_path), job_id="ftjob-1", take_in=lambda: None)

    return do


def test_workers_that_fail_with_their_head_are_no_fault_of_the_run(
    run: Callable[..., None], head: subprocess.Popen[bytes]
) -> None:
    def fail() -> None:
        head.kill()
        raise RuntimeError("the actor died")

    with pytest.raises(UnavailableError, match="ended under the run"):
        run(fail)


def test_a_run_whose_head_dies_does_not_wait_for_it(
    run: Callable[..., None], head: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, over = [], threading.Event()
    monkeypatch.setattr(module, "leave_for_sure", lambda: left.append(True))

    def wait_for_workers() -> None:
        head.kill()
        over.wait(60)

    with pytest.raises(UnavailableError, match="goes on from its last checkpoint"):
        run(wait_for_workers)
    over.set()
    assert left == [True]


def test_workers_that_fail_under_a_living_head_have_failed(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.train.head._SECONDS_OF_DYING", 0.2)

    def fail() -> None:
        raise RuntimeError("nan")

    with pytest.raises(TrainingError, match="more than 3 times: nan"):
        run(fail)


def test_what_waits_for_ever_is_left() -> None:
    program = """
import threading
from concurrent.futures import ThreadPoolExecutor
from tunesmith.train.head import leave_for_sure
ThreadPoolExecutor(1).submit(threading.Event().wait)
leave_for_sure(0.3)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert b"The same command goes on" in ended.stderr
