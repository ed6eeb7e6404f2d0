"""Processes are found by their environment and ended for good, with everything that they started."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from tunesmith.controller.processes import HOME, INSTANCE, PART, processes_of, start_process, sweep
from tunesmith.errors import StorageError

SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True).wait()"


@pytest.fixture
def start(tmp_path):
    started = []

    def do(code, *, part="ray", instance="one", home=tmp_path):
        environment = {INSTANCE: instance, HOME: str(home), PART: part}
        process = start_process(
            [sys.executable, "-c", code],
            environment=environment,
            log=tmp_path / "logs" / "x.log",
            folder=tmp_path,
        )
        started.append(process)
        return process

    yield do
    sweep(tmp_path, grace_seconds=0)
    for process in started:
        process.wait(timeout=5)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_part_runs_in_its_own_session_with_a_log(start, tmp_path):
    process = start("import os; print('session', os.getsid(0) == os.getpid(), os.getcwd())")
    process.wait(timeout=10)
    assert (tmp_path / "logs" / "x.log").read_text().split() == ["session", "True", str(tmp_path)]


def test_a_foreign_ray_cluster_is_not_inherited(start, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    start("import os; print(os.environ.get('RAY_ADDRESS'))").wait(timeout=10)
    assert (tmp_path / "logs" / "x.log").read_text().strip() == "None"


def test_children_in_other_sessions_are_found_and_ended(start, tmp_path):
    parent = start(PARENT)
    wait_for(lambda: len(processes_of(tmp_path)) == 2)
    children = processes_of(tmp_path)
    assert sweep(tmp_path) == 2
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert parent.wait(timeout=5) is not None


def test_a_process_that_ignores_the_request_is_killed(start, tmp_path):
    process = start(STUBBORN)
    wait_for(lambda: "up" in (tmp_path / "logs" / "x.log").read_text())
    began = time.monotonic()
    sweep(tmp_path, grace_seconds=0.3)
    assert process.poll() is not None
    assert time.monotonic() - began < 5


def test_only_the_asked_part_and_home_are_ended(start, tmp_path):
    ray, gateway = start(SLEEP, part="ray"), start(SLEEP, part="gateway")
    other = subprocess.Popen(
        [sys.executable, "-c", SLEEP],
        env={**os.environ, INSTANCE: "one", HOME: str(tmp_path / "other"), PART: "ray"},
    )
    try:
        wait_for(lambda: len(processes_of(tmp_path)) == 2)
        assert sweep(tmp_path, part="ray") == 1
        assert ray.poll() is not None
        assert gateway.poll() is None
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_home_is_the_same_by_every_path_that_leads_to_it(start, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "link").symlink_to(home)
    written = (home, tmp_path / "link", f"{home}/../home", f"{home}/")
    started = [start(SLEEP, home=path) for path in written]
    wait_for(lambda: len(processes_of(home)) == 4)
    try:
        for path in (tmp_path / "link", home / ".." / "home"):
            assert {process.pid for process in processes_of(path)} == {process.pid for process in started}
        assert sweep(tmp_path / "link", grace_seconds=0.5) == 4
    finally:
        for process in started:
            process.kill()


def test_a_relative_home_of_a_process_is_nobodys(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = start(SLEEP, home="home")
    wait_for(lambda: psutil.Process(process.pid).environ().get(HOME) == "home")
    try:
        assert processes_of(tmp_path / "home") == []
    finally:
        process.kill()


def test_instances_can_be_told_apart(start, tmp_path):
    start(SLEEP, instance="one")
    two = start(SLEEP, instance="two")
    wait_for(lambda: len(processes_of(tmp_path)) == 2)
    assert [process.pid for process in processes_of(tmp_path, instance="two")] == [two.pid]


def test_a_log_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(StorageError, match="cannot be started"):
        start_process(["true"], environment={}, log=tmp_path / "logs" / "x.log", folder=tmp_path)
