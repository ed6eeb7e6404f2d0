"""A part is started, watched, started again with a pause, and kept by the next controller."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path

import psutil
import pytest

from tunesmith.controller.processes import HOME, INSTANCE, PART, processes_of, sweep
from tunesmith.controller.supervise import FAILED_AFTER_RESTARTS, Part, Supervised

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def make_part(tmp_path: Path):
    def do(code: str = SLEEP, *, ready: bool = True) -> Part:
        return Part(
            name="gateway",
            command=(sys.executable, "-c", code),
            environment={INSTANCE: "one", HOME: str(tmp_path), PART: "gateway"},
            log=tmp_path / "gateway.log",
            folder=tmp_path,
            home=tmp_path,
            probe=lambda: ready,
            grace_seconds=1,
        )

    yield do
    sweep(tmp_path, grace_seconds=0)


def tick_until(supervised: Supervised, condition, *, seconds: float = 20):
    deadline = time.monotonic() + seconds
    while not condition(state := supervised.tick()):
        assert time.monotonic() < deadline, state
        time.sleep(0.02)
    return state


def test_a_part_is_started_once_and_becomes_ready(make_part, tmp_path):
    supervised = Supervised(make_part())
    assert supervised.tick().condition == "starting"
    assert supervised.tick().condition == "ready"
    assert supervised.tick().restarts == 0
    assert len(processes_of(tmp_path)) == 1
    supervised.stop()
    assert processes_of(tmp_path) == []


def test_a_killed_part_is_started_again(make_part):
    supervised = Supervised(make_part())
    tick_until(supervised, lambda state: state.condition == "ready")
    first = supervised.process
    psutil.Process(first.pid).kill()
    state = tick_until(supervised, lambda state: state.restarts == 1 and state.condition == "ready")
    assert state.restarts == 1
    assert supervised.process != first
    supervised.stop()


def test_what_a_killed_part_left_behind_goes_before_it_starts_again(make_part, tmp_path):
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True).wait()"
    supervised = Supervised(make_part(code))
    supervised.tick()
    deadline = time.monotonic() + 10
    while len(processes_of(tmp_path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    orphan = next(process for process in processes_of(tmp_path) if process.pid != supervised.process.pid)
    psutil.Process(supervised.process.pid).kill()
    tick_until(supervised, lambda state: state.restarts == 1 and supervised.process is not None)
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    supervised.stop()


def test_a_part_that_dies_again_and_again_is_failed_and_names_its_log(make_part, tmp_path):
    supervised = Supervised(make_part("raise SystemExit('no such port')", ready=False))
    state = tick_until(supervised, lambda state: state.condition == "failed")
    assert state.restarts >= FAILED_AFTER_RESTARTS
    assert "no such port" in (tmp_path / "gateway.log").read_text()


def test_restarts_come_with_growing_pauses(make_part):
    supervised = Supervised(make_part("pass", ready=False))
    began = time.monotonic()
    tick_until(supervised, lambda state: state.restarts == 3)
    # At once, then after 1 s.
    assert time.monotonic() - began > 0.9


def test_a_new_controller_keeps_what_runs(make_part):
    first = Supervised(make_part())
    tick_until(first, lambda state: state.condition == "ready")
    second = Supervised(make_part(), adopted=first.process)
    assert second.tick().condition == "ready"
    assert second.process == first.process
    second.stop()


def test_a_new_controller_starts_what_died(make_part):
    first = Supervised(make_part())
    tick_until(first, lambda state: state.condition == "ready")
    dead = first.process
    first.stop()
    second = Supervised(make_part(), adopted=dead)
    tick_until(second, lambda state: state.condition == "ready")
    assert second.process != dead
    second.stop()


def test_a_ready_part_may_be_silent_for_a_while(make_part, monkeypatch):
    answers = iter([True, False, False])
    part = dataclasses.replace(make_part(), probe=lambda: next(answers))
    supervised = Supervised(part)
    supervised.tick()
    assert supervised.tick().condition == "ready"
    assert supervised.tick().condition == "ready"
    monkeypatch.setattr("tunesmith.controller.supervise.PATIENCE_SECONDS", 0.0)
    assert supervised.tick().condition == "starting"
    supervised.stop()
