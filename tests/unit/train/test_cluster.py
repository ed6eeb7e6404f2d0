"""Which Ray cluster a run takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.config.train import ResourcesConfig
from tunesmith.errors import UnavailableError
from tunesmith.stores.platform_file import ProcessId, RunningPlatform, write_running
from tunesmith.train.cluster import check_capacity, cluster_address


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set, then deleted: monkeypatch then also takes away what the code under test puts there.
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name in ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


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
    assert cluster_address(Home(tmp_path)) is None


def test_running_platform_is_joined_with_its_token(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_running(_platform(home))
    assert cluster_address(home) == "127.0.0.1:4321"
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(home.run / "ray.token")


def test_told_address_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    write_running(_platform(home))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert cluster_address(home) == "10.0.0.1:6379"
    assert "RAY_AUTH_TOKEN_PATH" not in os.environ


def test_too_small_a_cluster_is_told() -> None:
    check_capacity({"CPU": 2.0}, ResourcesConfig())
    with pytest.raises(UnavailableError, match=r"has 1 CPUs, and 2 workers of 1 need 2\. .*num_workers"):
        check_capacity({"CPU": 1.0}, ResourcesConfig())
    with pytest.raises(UnavailableError, match="has 0 GPUs"):
        check_capacity({"CPU": 8.0}, ResourcesConfig(gpus_per_worker=1))
