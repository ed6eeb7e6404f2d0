from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tunesmith.config.home import Home
from tunesmith.errors import AuthenticationError, StorageError
from tunesmith.stores.platform_file import (
    ProcessId,
    RunningPlatform,
    read_record,
    read_running,
    write_running,
)


@pytest.fixture
def platform(tmp_path: Path) -> RunningPlatform:
    return RunningPlatform(
        instance="abc",
        home=tmp_path,
        base_url="http://127.0.0.1:8000/v1",
        api_key_file=tmp_path / "admin.key",
        model="tiny-reader",
        ray_address="127.0.0.1:6379",
        ray_dashboard="http://127.0.0.1:8265",
        ray_token_file=tmp_path / "run" / "ray.token",
        ray_temp_dir=tmp_path / "run" / "ray",
        serve_url="http://127.0.0.1:8001",
        milvus_uri="http://127.0.0.1:19530",
        config={"port": 8000},
        ports={"gateway": 8000},
        pids={"controller": ProcessId.of(os.getpid())},
    )


def test_what_is_written_is_read_again(platform, tmp_path):
    write_running(platform)
    assert read_running(Home(tmp_path)) == platform
    assert (tmp_path / "run" / "platform.json").stat().st_mode & 0o777 == 0o600


def test_nothing_written_is_nothing_running(tmp_path):
    assert read_running(Home(tmp_path)) is None


def test_a_record_of_dead_processes_is_nothing_running(platform, tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    dead = ProcessId.of(child.pid)
    child.wait()
    write_running(replace(platform, pids={"controller": dead}))
    assert read_running(Home(tmp_path)) is None
    assert read_record(Home(tmp_path)) is not None


def test_a_process_with_the_same_number_is_not_the_same_process(platform, tmp_path):
    own = ProcessId.of(os.getpid())
    write_running(replace(platform, pids={"controller": replace(own, started=own.started - 60)}))
    assert read_running(Home(tmp_path)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"instance": "a"}'])
def test_a_file_that_cannot_be_understood_is_no_record(tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "platform.json").write_text(text)
    assert read_record(Home(tmp_path)) is None


def test_a_place_that_cannot_be_written_is_said_with_its_path(platform, tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=r"platform\.json cannot be written"):
        write_running(platform)


def test_ray_is_joined_with_address_and_token(platform):
    environment = platform.ray_environment()
    assert environment["RAY_ADDRESS"] == "127.0.0.1:6379"
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_AUTH_TOKEN_PATH"].endswith("ray.token")


def test_a_key_that_is_gone_is_said_with_the_way_out(platform):
    with pytest.raises(AuthenticationError, match=r"admin\.key cannot be read.*tunesmith up"):
        platform.api_key()
    platform.api_key_file.parent.mkdir(parents=True, exist_ok=True)
    platform.api_key_file.write_text("sk-1\n")
    assert platform.api_key() == "sk-1"


@pytest.mark.parametrize("jump", [-7 * 24 * 3600, 7 * 24 * 3600])
def test_a_clock_that_is_set_makes_no_process_another_one(monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    own, boot_time = ProcessId.of(os.getpid()), psutil.boot_time()
    # The system derives the moment of its boot from the clock, and psutil a process's start from that.
    for module in (psutil, psutil._pslinux):
        monkeypatch.setattr(module, "boot_time", lambda: boot_time + jump)
    assert own.alive()
    assert not replace(own, started=own.started + 60).alive()
    assert not replace(own, boot="another").alive()
