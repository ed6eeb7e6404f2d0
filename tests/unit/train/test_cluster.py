"""Which Ray cluster a run takes."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.config.train import ResourcesConfig
from tunesmith.errors import UnavailableError
from tunesmith.stores.platform_file import ProcessId, RunningPlatform, write_running
from tunesmith.train.cluster import check_capacity, find_cluster, ray_session


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def _platform(home: Home) -> RunningPlatform:
    return RunningPlatform(
        instance="i",
        home=home.root,
        base_url="http://127.0.0.1:1/v1",
        api_key_file=home.admin_key_file,
        model="tiny-reader",
        ray_address="127.0.0.1:4321",
        ray_dashboard="http://127.0.0.1:2",
        ray_token_file=home.run / "ray.token",
        ray_temp_dir=home.run,
        serve_url="http://127.0.0.1:3",
        milvus_uri="http://127.0.0.1:4",
        pids={"ray": ProcessId.of(os.getpid())},
    )


def test_alone_a_run_starts_its_own(tmp_path: Path) -> None:
    assert find_cluster(Home(tmp_path)) == (None, {})


def test_running_platform_is_joined_with_its_token(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_running(_platform(home))
    address, settings = find_cluster(home)
    assert address == "127.0.0.1:4321"
    assert settings["RAY_AUTH_TOKEN_PATH"] == str(home.run / "ray.token")


def test_told_address_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    write_running(_platform(home))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert find_cluster(home) == ("10.0.0.1:6379", {})


def test_dead_cluster_is_told_at_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_running(replace(_platform(home), ray_address=f"127.0.0.1:{_free_port()}"))
    with (
        pytest.raises(UnavailableError, match=r"127\.0\.0\.1:\d+ does not answer.*unset RAY_ADDRESS"),
        ray_session(home, ResourcesConfig(), log=tmp_path / "ray.log"),
    ):
        pytest.fail("joined a cluster that is not there")
    assert not {"RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_too_small_a_cluster_is_told() -> None:
    check_capacity({"CPU": 2.0}, ResourcesConfig())
    with pytest.raises(UnavailableError, match=r"has 1 CPUs, and 2 workers of 1 need 2\. .*num_workers"):
        check_capacity({"CPU": 1.0}, ResourcesConfig())
    with pytest.raises(UnavailableError, match="has 0 GPUs"):
        check_capacity({"CPU": 8.0}, ResourcesConfig(gpus_per_worker=1))
