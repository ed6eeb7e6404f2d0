from __future__ import annotations

import threading

import pytest

from tunesmith.controller.loop import Controller
from tunesmith.errors import StorageError
from tunesmith.stores.platform_file import ProcessId
from tunesmith.stores.state_file import PartState


class FakePart:
    """A part whose state the test sets."""

    def __init__(self, name):
        self.part = self
        self.name = name
        self.condition = "starting"
        self.process = ProcessId(1, 1.0)
        self.stopped = False
        self.replaced = False

    def tick(self):
        return PartState(self.name, self.condition)

    def stop(self):
        self.stopped = True

    def replace(self):
        self.replaced = True


class FakeApplications:
    """Applications that are ready whenever they are asked."""

    def tick(self):
        return [PartState("engine", "ready")]

    def ray_is_gone(self):
        return [PartState("engine", "starting")]


@pytest.fixture
def parts():
    return [FakePart("ray"), FakePart("gateway")]


def run_until(controller, condition):
    stop = threading.Event()
    thread = threading.Thread(target=controller.run, args=(stop,))
    thread.start()
    seen = condition.wait(timeout=10)
    stop.set()
    thread.join(timeout=10)
    return seen


def test_applications_follow_ray_and_everything_is_told(parts):
    told, recorded, all_ready = [], [], threading.Event()

    def publish(states):
        told.append({state.name: state.condition for state in states})
        if set(told[-1].values()) == {"ready"}:
            all_ready.set()
        if len(told) == 2:
            parts[0].condition = parts[1].condition = "ready"

    controller = Controller(parts, applications=FakeApplications(), publish=publish, record=recorded.append)
    assert run_until(controller, all_ready)
    assert told[0] == {"ray": "starting", "gateway": "starting", "engine": "starting"}
    assert recorded == [{"ray": ProcessId(1, 1.0), "gateway": ProcessId(1, 1.0)}]
    assert all(part.stopped for part in parts)


def test_applications_are_not_ready_from_the_moment_ray_is_not(parts):
    told = []
    controller = Controller(
        parts, applications=FakeApplications(), publish=told.append, record=lambda _pids: None
    )
    controller._served = [PartState("engine", "ready")]
    parts[0].condition = "restarting"
    assert controller.tick() is False
    assert told[0][-1] == PartState("engine", "starting")


def test_a_full_disk_does_not_end_the_controller(parts, capsys):
    def publish(_states):
        raise StorageError("no space left on device")

    controller = Controller(
        parts, applications=FakeApplications(), publish=publish, record=lambda _pids: None
    )
    controller.tick()
    controller.tick()
    assert "no space left" in capsys.readouterr().out


def test_one_part_is_replaced_and_no_other(parts):
    controller = Controller(
        parts, applications=FakeApplications(), publish=lambda _: None, record=lambda _: None
    )
    controller.replace("gateway")
    assert [part.replaced for part in parts] == [False, True]
