"""`down` leaves no process, by whichever path the home is named; and keeps the record of what it cannot end."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.plan import part_environment, plan_platform
from tunesmith.controller.processes import processes_of, start_process, sweep
from tunesmith.errors import ConflictError
from tunesmith.flows import down
from tunesmith.stores.platform_file import ProcessId, read_record, write_running


@pytest.fixture
def started(tmp_path):
    """Starts a harmless process as the Ray head of a home's platform, and writes the record."""
    processes = []

    def do(root):
        home = Home(root)
        home.run.mkdir(parents=True, exist_ok=True)
        platform = plan_platform(home, ServeConfig(port=0))
        process = start_process(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            environment=part_environment(platform, "ray"),
            log=tmp_path / "ray.log",
            folder=tmp_path,
        )
        processes.append(process)
        platform = dataclasses.replace(platform, pids={"ray": ProcessId.of(process.pid)})
        write_running(platform)
        return process

    yield do
    for process in processes:
        process.kill()
        process.wait(timeout=5)


@pytest.mark.parametrize("written", ["{}/link", "{}/home/../home", "{}/home/"])
def test_a_platform_is_ended_by_any_path_to_its_home(started, tmp_path, written):
    process = started(tmp_path / "home")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    home = Home.locate(written.format(tmp_path))

    assert down.take_down(home) is True
    assert process.wait(timeout=5) is not None
    assert read_record(home) is None
    assert down.take_down(home) is False


def test_a_platform_that_an_earlier_release_started_through_a_link_is_ended(started, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    process = started(tmp_path / "link")
    assert down.take_down(Home.locate(tmp_path / "home")) is True
    assert process.wait(timeout=5) is not None


def test_a_platform_whose_home_was_moved_is_ended(started, tmp_path):
    process = started(tmp_path / "home")
    moved = Home((tmp_path / "home").rename(tmp_path / "moved"))
    assert down.take_down(moved) is True
    assert process.wait(timeout=5) is not None
    assert read_record(moved) is None


def test_the_record_stays_while_a_process_does(started, tmp_path, monkeypatch):
    process = started(tmp_path / "home")
    home = Home.locate(tmp_path / "home")
    monkeypatch.setattr(down, "sweep", lambda *_, **__: 0)
    with pytest.raises(
        ConflictError, match=rf"these processes do not end: {process.pid}\. Run `tunesmith down`"
    ):
        down.take_down(home)
    assert process.poll() is None
    assert read_record(home) is not None

    monkeypatch.setattr(down, "sweep", sweep)
    assert down.take_down(home) is True
    assert read_record(home) is None


def test_a_process_of_another_user_is_told_though_nothing_of_it_can_be_read(started, tmp_path, monkeypatch):
    process = started(tmp_path / "home")
    home = Home.locate(tmp_path / "home")
    monkeypatch.setattr(down, "sweep", lambda *_, **__: 0)
    monkeypatch.setattr(down, "processes_of", lambda *_, **__: [])
    with pytest.raises(ConflictError, match=str(process.pid)):
        down.take_down(home)
    assert processes_of(home.root)
