from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.plan import plan_parts, plan_platform
from tunesmith.controller.processes import HOME, INSTANCE, PART
from tunesmith.stores.platform_file import RAY_PATIENCE


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def plan():
    """Plans platforms, and removes the folders that deep homes get for Ray's sockets."""
    planned = []

    def do(home, config):
        planned.append(plan_platform(home, config))
        return planned[-1]

    yield do
    for platform in planned:
        shutil.rmtree(platform.ray_temp_dir, ignore_errors=True)


def test_everything_is_on_loopback_and_ray_is_closed(home, plan):
    platform = plan(home, ServeConfig(port=0))
    ray, milvus, gateway, indexer = plan_parts(platform)
    command = " ".join(ray.command)
    assert "--node-ip-address 127.0.0.1" in command
    assert "--dashboard-host 127.0.0.1" in command
    assert "--host 127.0.0.1" in " ".join(milvus.command)
    assert ray.environment["RAY_AUTH_MODE"] == "token"
    assert "RAY_ADDRESS" not in ray.environment
    assert RAY_PATIENCE.items() <= ray.environment.items()
    assert platform.ray_token_file.stat().st_mode & 0o777 == 0o600
    assert platform.base_url.startswith("http://127.0.0.1:")
    assert (gateway.name, indexer.name) == ("gateway", "indexer")


def test_every_part_can_be_found_by_its_environment(home, plan):
    platform = plan(home, ServeConfig(port=0))
    for part in plan_parts(platform):
        marks = {INSTANCE: platform.instance, HOME: str(home.root), PART: part.name}
        assert marks.items() <= part.environment.items()


def test_the_budget_is_what_ray_is_told(home, plan):
    budget = {"port": 0, "budget": {"engine_cpus": 2, "training_cpus": 4.2}}
    for serving, cpus in (({}, "9"), ({"max_awake": 1}, "7")):
        config = ServeConfig.model_validate({**budget, "serving": serving})
        command = plan_parts(plan(home, config))[0].command
        assert command[command.index("--num-cpus") + 1] == cpus


def test_a_milvus_elsewhere_is_not_started_here(home, plan):
    platform = plan(home, ServeConfig(port=0, milvus_uri="http://milvus:19530"))
    assert platform.milvus_uri == "http://milvus:19530"
    assert [part.name for part in plan_parts(platform)] == ["ray", "gateway", "indexer"]


@pytest.mark.parametrize("length", [20, 60, 100])
def test_sockets_of_ray_fit_the_kernel_however_deep_the_home(length, plan):
    home = Home(Path("/tmp") / secrets.token_hex(length // 2)[: length - 5])
    try:
        folder = plan(home, ServeConfig(port=0)).ray_temp_dir
        longest = folder / "session_2026-11-21_00-06-01_424782_4194304" / "sockets" / "plasma_store"
        assert len(str(longest)) <= 107
    finally:
        shutil.rmtree(home.root)


def test_a_given_port_is_taken_and_zero_means_a_free_one(home, plan):
    assert plan(home, ServeConfig(port=8123)).base_url == "http://127.0.0.1:8123/v1"
    assert plan(home, ServeConfig(port=0)).ports["gateway"] > 0


@pytest.mark.parametrize("asked", [False, True])
def test_replicas_listen_where_the_gateway_asks_them(home, plan, asked):
    ray = plan_parts(plan(home, ServeConfig(port=0, ask_replicas=asked)))[0]
    assert ray.environment.get("RAY_SERVE_ENABLE_DIRECT_INGRESS") == ("1" if asked else None)
