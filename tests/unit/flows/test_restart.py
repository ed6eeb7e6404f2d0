"""`tunesmith restart`: the controller is asked, and the caller waits until another gateway has taken over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.plan import plan_platform
from tunesmith.errors import ConflictError, UnavailableError
from tunesmith.flows.restart import restart_gateway
from tunesmith.stores.platform_file import ProcessId, write_running

# A controller that, told by SIGHUP, writes itself down as the gateway; or does nothing.
CONTROLLER = """
import dataclasses, os, signal, sys, time
from tunesmith.config.home import Home
from tunesmith.stores.platform_file import ProcessId, read_record, write_running
def replace(*_):
    if sys.argv[2] == "obey":
        record = read_record(Home.locate(sys.argv[1]))
        write_running(dataclasses.replace(record, pids={**record.pids, "gateway": ProcessId.of(os.getpid())}))
signal.signal(signal.SIGHUP, replace)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def running(home: Home, manner: str) -> subprocess.Popen[bytes]:
    planned = plan_platform(home, ServeConfig(port=0))
    shutil.rmtree(planned.ray_temp_dir, ignore_errors=True)
    command = [sys.executable, "-c", CONTROLLER, str(home.root), manner]
    controller = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert controller.stdout is not None
    write_running(
        replace(
            planned, pids={"controller": ProcessId.of(controller.pid), "gateway": ProcessId.of(os.getpid())}
        )
    )
    assert controller.stdout.readline() == b"ready\n"
    return controller


def test_it_returns_once_another_gateway_has_taken_over(home: Home):
    with running(home, "obey") as controller:
        platform = restart_gateway(home, timeout_seconds=20)
        controller.kill()
    assert platform.pids["gateway"].pid == controller.pid


def test_a_gateway_that_is_not_replaced_in_time_is_told_with_its_log(home: Home):
    with running(home, "ignore") as controller:
        with pytest.raises(UnavailableError, match=r"the old one goes on.*gateway\.log"):
            restart_gateway(home, timeout_seconds=0.5)
        controller.kill()


def test_without_a_controller_there_is_nobody_to_ask(home: Home):
    with pytest.raises(ConflictError, match="tunesmith up"):
        restart_gateway(home)
    with running(home, "obey") as controller:
        controller.kill()
    with pytest.raises(ConflictError, match="No controller runs"):
        restart_gateway(home)
