"""What `status` counts of a home, by whichever path it is named."""

from __future__ import annotations

import dataclasses
import os
import sys

import pytest

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.plan import part_environment, plan_platform
from tunesmith.controller.processes import start_process
from tunesmith.flows.status import platform_status
from tunesmith.serve.applications import engine_name
from tunesmith.stores.platform_file import ProcessId, write_running
from tunesmith.stores.state_file import PartState, write_state


@pytest.fixture
def running(tmp_path):
    """A platform whose Ray head is a harmless process, started through a link to its home."""
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    platform = plan_platform(Home(tmp_path / "link"), ServeConfig(port=0))
    process = start_process(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        environment=part_environment(platform, "ray"),
        log=tmp_path / "ray.log",
        folder=tmp_path,
    )
    pids = {"controller": ProcessId.of(os.getpid()), "ray": ProcessId.of(process.pid)}
    write_running(dataclasses.replace(platform, pids=pids))
    write_state(platform.state_file, instance=platform.instance, parts=[PartState("ray", "ready")])
    yield platform
    process.kill()
    process.wait(timeout=5)


def test_nothing_runs_on_a_new_home(tmp_path):
    report = platform_status(Home(tmp_path))
    assert report.as_json() == {"running": False, "ready": False, "parts": []}


@pytest.mark.parametrize("written", ["{}/home", "{}/link", "{}/link/../home"])
def test_processes_are_counted_by_any_path_to_the_home(running, tmp_path, written):
    report = platform_status(Home.locate(written.format(tmp_path)))
    parts = {part.name: part for part in report.parts}
    assert report.ready
    assert parts["ray"].num_processes == 1
    assert parts["ray"].memory_mib > 0


def test_of_several_bases_it_says_whose_engine_each_is_and_who_sleeps(tmp_path):
    bases = [{"model": "one/a"}, {"model": "one/b"}]
    platform = plan_platform(Home(tmp_path), ServeConfig.model_validate({"port": 0, "bases": bases}))
    write_running(dataclasses.replace(platform, pids={"controller": ProcessId.of(os.getpid())}))
    other = engine_name("one/b", default="one/a")
    parts = [PartState("engine", "ready"), PartState(other, "ready", "asleep"), PartState("embed", "ready")]
    write_state(platform.state_file, instance=platform.instance, parts=parts)
    told = {part.name: part.message for part in platform_status(Home(tmp_path)).parts}
    assert (told["engine"], told[other], told["embed"]) == ("one/a", "one/b: asleep", "")
