"""What `up` refuses, cleans up and says, without an engine: the controller is a harmless program here."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import socket
import subprocess
import sys

import pytest

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.plan import part_environment, plan_platform
from tunesmith.controller.processes import processes_of, start_process, sweep
from tunesmith.errors import ConflictError, ModelNotFoundError, StorageError, UnavailableError
from tunesmith.flows import up
from tunesmith.flows.down import take_down
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.platform_file import ProcessId, read_record, read_running, write_running
from tunesmith.stores.state_file import read_state

READY = """
import dataclasses, os, sys, time
from tunesmith.config.home import Home
from tunesmith.stores.platform_file import ProcessId, read_record, write_running
from tunesmith.stores.state_file import PartState, write_state
platform = read_record(Home.locate(sys.argv[1]))
write_running(dataclasses.replace(platform, pids={"controller": ProcessId.of(os.getpid())}))
write_state(platform.state_file, instance=platform.instance, parts=[PartState("ray", CONDITION, "no such device")])
print("the log of the controller", flush=True)
time.sleep(60)
"""


@pytest.fixture
def home(tmp_path):
    yield Home(tmp_path / "home")
    sweep(tmp_path / "home", grace_seconds=0)


@pytest.fixture
def config(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return ServeConfig(model=str(tmp_path / "model"), port=0, ready_timeout_seconds=20)


@pytest.fixture
def controller(monkeypatch):
    """Makes a program of the test's own the controller."""

    def use(code):
        def start(platform):
            run = Home(platform.home).run
            command = [sys.executable, "-c", code, str(platform.home)]
            environment = part_environment(platform, "controller")
            return start_process(
                command, environment=environment, log=run / "logs" / "controller.log", folder=run
            )

        monkeypatch.setattr(up, "_start_controller", start)

    return use


def is_clean(home):
    return not processes_of(home.root) and not home.platform_file.exists()


def test_up_returns_when_every_part_is_ready_and_down_leaves_nothing(home, config, controller):
    controller(READY.replace("CONDITION", "'ready'"))
    seen = []
    platform = up.bring_up(home, config, progress=seen.append)
    assert seen[-1].ready
    assert read_running(home) == platform
    assert home.admin_key_file.read_text().startswith("sk-ts-")

    assert take_down(home) is True
    assert is_clean(home)
    assert not platform.ray_temp_dir.exists()
    assert take_down(home) is False


def test_a_second_up_names_the_running_platform_and_the_way_out(home, config, controller):
    controller(READY.replace("CONDITION", "'ready'"))
    platform = up.bring_up(home, config)
    with pytest.raises(ConflictError) as error:
        up.bring_up(home, config)
    assert platform.base_url in error.value.message
    assert "tunesmith down" in error.value.message
    assert read_running(home) == platform


def test_of_two_at_once_one_is_told_to_wait(home, config):
    home.run.mkdir(parents=True)
    with (home.run / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="Another `tunesmith up`"):
            up.bring_up(home, config)


def test_a_busy_port_is_said_before_anything_starts(home, config, controller):
    controller("raise SystemExit('started')")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ConflictError, match=f"Port {port} "):
            up.bring_up(home, config.model_copy(update={"port": port}))
    assert is_clean(home)
    assert not (home.run / "logs").exists()


def test_a_missing_model_is_said_before_anything_starts(home):
    with pytest.raises(ModelNotFoundError, match="no-such-model"):
        up.bring_up(home, ServeConfig(model="no-such-model", port=0))
    assert is_clean(home)


def test_a_home_that_cannot_be_written_is_said(tmp_path, config):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StorageError, match="TUNESMITH_HOME"):
        up.bring_up(Home(tmp_path / "home"), config)


def test_a_full_disk_is_said_and_nothing_stays(home, config):
    # A file size limit is what a full disk looks like from inside: writes fail half way.
    script = "; ".join(
        [
            "import resource, signal",
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
            "resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))",
            "import sys; from tunesmith.cli.main import main",
            f"sys.argv = ['tunesmith', 'up', '--home', {str(home.root)!r}, '--model', {config.model!r}, '--port', '0']",
            "main()",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "disk space" in done.stderr
    assert "Traceback" not in done.stderr
    assert is_clean(home)


def test_a_part_that_fails_is_named_with_its_message_and_all_is_stopped(home, config, controller):
    controller(READY.replace("CONDITION", "'failed'"))
    with pytest.raises(UnavailableError, match="The part ray failed: no such device"):
        up.bring_up(home, config)
    assert is_clean(home)


def test_a_controller_that_ends_is_named_with_the_end_of_its_log(home, config, controller):
    controller("print('no such module'); raise SystemExit(3)")
    with pytest.raises(UnavailableError, match=r"(?s)controller ended with exit code 3.*no such module"):
        up.bring_up(home, config)
    assert is_clean(home)


def test_a_part_that_is_never_ready_is_named_when_the_time_is_up(home, config, controller):
    controller(READY.replace("CONDITION", "'starting'"))
    with pytest.raises(UnavailableError, match="The part ray is not ready after 3 s: no such device"):
        up.bring_up(home, config.model_copy(update={"ready_timeout_seconds": 3}))
    assert is_clean(home)


def test_what_a_crash_left_is_ended_and_a_new_platform_started(home, config, controller):
    stale = plan_platform(home, config)
    child = start_process(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        environment=part_environment(stale, "ray"),
        log=home.run / "logs" / "ray.log",
        folder=home.run,
    )
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    write_running(_with_pids(stale, controller=ProcessId.of(dead.pid)))
    dead.wait()
    controller(READY.replace("CONDITION", "'ready'"))

    platform = up.bring_up(home, config)
    assert platform.instance != stale.instance
    assert child.poll() is not None
    take_down(home)


def test_parts_whose_controller_died_are_taken_over(home, config, controller):
    controller(READY.replace("CONDITION", "'ready'"))
    first = up.bring_up(home, config)
    child = start_process(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        environment=part_environment(first, "ray"),
        log=home.run / "logs" / "ray.log",
        folder=home.run,
    )
    write_running(_with_pids(first, ray=ProcessId.of(child.pid), controller=first.pids["controller"]))
    (controller_process,) = [p for p in processes_of(home.root) if p.pid == first.pids["controller"].pid]
    controller_process.kill()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(controller_process.pid, 0)

    second = up.bring_up(home, config)
    assert second.instance == first.instance
    assert child.poll() is None
    assert take_down(home) is True
    child.wait(timeout=5)
    assert is_clean(home)


def test_a_key_that_opens_nothing_any_more_is_replaced_when_parts_are_taken_over(home, config, controller):
    controller(READY.replace("CONDITION", "'ready'"))
    first = up.bring_up(home, config)
    dead = home.admin_key_file.read_text()
    _revoke(home, dead.strip())
    (controller_process,) = [p for p in processes_of(home.root) if p.pid == first.pids["controller"].pid]
    write_running(_with_pids(first, ray=ProcessId.of(os.getpid()), controller=first.pids["controller"]))
    controller_process.kill()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(controller_process.pid, 0)

    second = up.bring_up(home, config)
    assert second.instance == first.instance
    assert second.api_key_file.read_text() != dead
    take_down(home)


def test_down_clears_a_platform_of_which_only_processes_are_left(home, config):
    platform = plan_platform(home, config)
    child = start_process(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        environment=part_environment(platform, "ray"),
        log=home.run / "logs" / "ray.log",
        folder=home.run,
    )
    assert read_record(home) is None
    assert take_down(home) is True
    child.wait(timeout=5)
    shutil.rmtree(platform.ray_temp_dir)


def test_an_interrupted_up_leaves_nothing(home, config, controller):
    controller(READY.replace("CONDITION", "'starting'"))

    def interrupt(_state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        up.bring_up(home, config, progress=interrupt)
    assert is_clean(home)
    assert read_state(home.run / "state.json") is None


def _revoke(home, key):
    database = open_home_database(home)
    keys = KeyStore(database)
    keys.revoke("default", keys.verify(key).id)
    database.close()


def _with_pids(platform, **pids):
    return dataclasses.replace(platform, pids=pids)
