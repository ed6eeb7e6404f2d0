"""FLOW 2 on the real Ray, DeepSpeed, TRL and PEFT: killed twice, one version, one loss curve."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from training import (
    conversations,
    events_of,
    kill_tree,
    make_base,
    run_cli,
    started,
    train_command,
    wait_for,
    write_recipe,
)

from tunesmith.config.home import Home
from tunesmith.jobs.store import JobStore
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry

pytestmark = [pytest.mark.flow, pytest.mark.timeout(1200)]

STEPS = 90


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def test_killed_worker_and_killed_run_end_in_one_version(base: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    recipe = write_recipe(tmp_path, base, max_steps=STEPS, checkpoint_every_steps=10)
    _kill_a_worker_then_the_whole_run(recipe, home)

    done = subprocess.run(
        train_command(recipe, home, "--json"), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"/{STEPS}" in done.stderr

    _assert_one_curve(home)
    _assert_one_loadable_version(home, base)
    _assert_engine(home)
    _assert_again_does_nothing(recipe, home)


@pytest.mark.slow
def test_ray_job_submit_on_a_cluster_of_its_own(base: Path, tmp_path: Path, ray_head: dict[str, str]) -> None:
    home = tmp_path / "home"
    write_recipe(tmp_path, base, max_steps=3, checkpoint_every_steps=10)
    entry = [sys.executable, "-m", "tunesmith", "train", "recipe.yaml", "--home", str(home)]
    command = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "job",
        "submit",
        "--working-dir",
        ".",
        "--",
        *entry,
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **ray_head},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (version,) = Registry(open_home_database(Home(home)), "default").versions()
    assert version.lineage.metrics["steps"] == 3
    assert version.name in done.stdout


def _kill_a_worker_then_the_whole_run(recipe: Path, home: Path) -> None:
    with started(train_command(recipe, home)) as run:
        wait_for(home, run, lambda event: event["type"] == "checkpoint" and event["step"] >= 20)
        worker = wait_for(home, run, lambda event: event["type"] == "engine")
        os.kill(worker["pid"], signal.SIGKILL)
        wait_for(home, run, lambda event: event["type"] == "engine" and event["resumed_from"] >= 20)
        wait_for(home, run, lambda event: event["type"] == "checkpoint" and event["step"] >= 50)
        kill_tree(run.pid)


def _assert_one_curve(home: Path) -> None:
    jobs = JobStore(open_home_database(Home(home)), "default")
    (job,) = jobs.jobs()
    assert (job.state, job.fence) == ("succeeded", 2)
    curve = jobs.metrics(job.id)
    assert [step.step for step in curve] == list(range(1, STEPS + 1))
    losses = [step.values["loss"] for step in curve]
    assert sum(losses[-10:]) < 0.95 * sum(losses[:10])
    shown = json.loads(run_cli("jobs", "show", "lamp", "--home", str(home), "--json").stdout)
    assert [step["step"] for step in shown["metrics"]] == list(range(1, STEPS + 1))


def _assert_one_loadable_version(home: Path, base: Path) -> None:
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (version,) = Registry(open_home_database(Home(home)), "default").versions()
    folder = Home(home).objects / version.path
    assert version.name == f"ft:{base.name}:default:lamp:{version.lineage.job_id[6:16]}"
    assert version.lineage.base == str(base)
    assert not [path for path in folder.rglob("*") if path.suffix in (".bin", ".pt", ".pth", ".pkl")]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    before = _loss(model, tokenizer)
    after = _loss(peft.PeftModel.from_pretrained(model, folder), tokenizer)
    assert after < before - 0.3


def _loss(model: Any, tokenizer: Any) -> float:
    """Mean loss of the answers, computed apart from the run that trained them."""
    import torch

    losses = []
    for row in conversations(20):
        prompt, talk = (
            tokenizer.apply_chat_template(turns, add_generation_prompt=len(turns) == 1, return_tensors="pt")
            for turns in (row["messages"][:1], row["messages"])
        )
        labels = talk["input_ids"].clone()
        labels[:, : prompt["input_ids"].shape[1]] = -100
        with torch.no_grad():
            losses.append(model(talk["input_ids"], labels=labels).loss.item())
    return sum(losses) / len(losses)


def _assert_engine(home: Path) -> None:
    engines = [event for event in events_of(home) if event["type"] == "engine"]
    assert [event["engine"] for event in engines] == ["DeepSpeedEngine"] * 3
    assert {(event["zero_stage"], event["world_size"]) for event in engines} == {(2, 2)}
    resumed = [event["resumed_from"] for event in engines]
    assert resumed[0] == 0
    assert 20 <= resumed[1] < resumed[2]


def _assert_again_does_nothing(recipe: Path, home: Path) -> None:
    before = time.monotonic()
    again = run_cli("train", str(recipe), "--home", str(home))
    assert again.returncode == 0, again.stderr
    assert "has succeeded before" in again.stdout
    assert time.monotonic() - before < 30, "it should not start Ray"
    other = run_cli("train", str(recipe), "--home", str(home), "--set", "learning_rate=0.02")
    assert other.returncode == 2
    assert "--fresh" in other.stderr


@pytest.fixture
def ray_head() -> Iterator[dict[str, str]]:
    """A cluster started with `ray start --head`, on ports of its own; as by default, it asks for a token."""
    folder = tempfile.mkdtemp(prefix="r-")  # short: Ray puts sockets below it
    token = secrets.token_hex(32)
    keys = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    port, dashboard, agent = _free_port(), _free_port(), _free_port()
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=4",
        f"--port={port}", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}",
        # The agent takes jobs; at its usual port another Ray of this machine may sit, and then it takes none.
        f"--dashboard-agent-listen-port={agent}",
        "--node-ip-address=127.0.0.1", f"--temp-dir={folder}", "--disable-usage-stats",
    ]  # fmt: skip
    with started(command, env=keys) as head:
        address = f"http://127.0.0.1:{dashboard}"
        _wait_until_answers(f"{address}/api/jobs/", head, token)
        yield {"RAY_API_SERVER_ADDRESS": address, **keys}
    shutil.rmtree(folder, ignore_errors=True)


def _wait_until_answers(url: str, head: subprocess.Popen[str], token: str) -> None:
    for _ in range(600):
        assert head.poll() is None, f"the Ray head ended:\n{head.communicate()[0]}"
        try:
            if httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{url} did not answer in two minutes")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
