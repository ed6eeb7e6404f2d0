"""Which Ray cluster a run takes."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.config.serve import BudgetConfig
from tunesmith.config.train import ResourcesConfig
from tunesmith.errors import UnavailableError
from tunesmith.stores.platform_file import ProcessId, RunningPlatform, write_running
from tunesmith.train.cluster import Cluster, check_capacity, find_cluster, ray_session, taken_for_now


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
    assert find_cluster(Home(tmp_path)) == Cluster(None)


def test_running_platform_is_joined_with_its_token(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_running(_platform(home))
    cluster = find_cluster(home)
    assert cluster.address == "127.0.0.1:4321"
    assert cluster.environment["RAY_AUTH_TOKEN_PATH"] == str(home.run / "ray.token")
    assert cluster.training_cpus == BudgetConfig().training_cpus


def test_job_on_the_platforms_cluster_keeps_to_its_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    write_running(replace(_platform(home), config={"budget": {"training_cpus": 6.0}}))
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:4321")
    head = ProcessId.of(os.getpid())
    assert find_cluster(home) == Cluster("127.0.0.1:4321", {}, training_cpus=6.0, head=head)


def test_told_address_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    write_running(_platform(home))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert find_cluster(home) == Cluster("10.0.0.1:6379")


def test_dead_platform_is_told_at_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_running(replace(_platform(home), ray_address=f"127.0.0.1:{_free_port()}"))
    with (
        pytest.raises(UnavailableError, match=r"127\.0\.0\.1:\d+ does not answer.*`tunesmith down`"),
        ray_session(home, ResourcesConfig(), log=tmp_path / "ray.log"),
    ):
        pytest.fail("joined a cluster that is not there")
    assert not {"RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)


def test_dead_address_is_told_with_its_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{_free_port()}")
    with (
        pytest.raises(UnavailableError, match=r"does not answer.*unset RAY_ADDRESS"),
        ray_session(Home(tmp_path), ResourcesConfig(), log=tmp_path / "ray.log"),
    ):
        pytest.fail("joined a cluster that is not there")


@pytest.mark.parametrize("address", [None, "auto"], ids=["own", "told"])
def test_what_ray_raises_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    import ray

    def fail(**_: object) -> None:
        raise Exception("The current node timed out\nduring startup")

    monkeypatch.setattr(ray, "init", fail)
    if address:
        monkeypatch.setenv("RAY_ADDRESS", address)
    with (
        pytest.raises(UnavailableError, match="The current node timed out during startup"),
        ray_session(Home(tmp_path), ResourcesConfig(), log=tmp_path / "ray.log"),
    ):
        pytest.fail("joined a cluster that did not start")


def test_a_machine_too_busy_to_start_ray_in_time_is_given_a_second_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    start, asked = ray.init, []

    def slow_at_first(**settings: object) -> None:
        asked.append(settings)
        if len(asked) == 1:
            raise Exception("The current node timed out during startup. This could happen")
        start(**settings)

    monkeypatch.setattr(ray, "init", slow_at_first)
    with ray_session(Home(tmp_path), ResourcesConfig(), log=tmp_path / "ray.log") as own_cluster:
        assert own_cluster
        assert ray.cluster_resources()["CPU"] >= 2
    assert len(asked) == 2
    assert asked[0] == asked[1]


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


def test_serving_keeps_its_part_of_the_platforms_cluster() -> None:
    check_capacity({"CPU": 4.0}, ResourcesConfig(), training_cpus=2.5)
    with pytest.raises(
        UnavailableError,
        match=r"keeps budget\.training_cpus = 2\.5 CPUs, and 4 workers of 1 need 4\. .*num_workers=N",
    ):
        check_capacity({"CPU": 4.0}, ResourcesConfig(num_workers=4), training_cpus=2.5)


def test_what_another_run_holds_is_waited_for_in_words() -> None:
    assert taken_for_now({"CPU": 2.0}, ResourcesConfig()) is None
    assert (
        taken_for_now({"CPU": 0.5}, ResourcesConfig())
        == "2 CPUs (0.5 free now); the run begins as soon as they are"
    )
    assert (
        taken_for_now({"CPU": 8.0}, ResourcesConfig(gpus_per_worker=1))
        == "2 GPUs (0 free now); the run begins as soon as they are"
    )
