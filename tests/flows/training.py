"""What the training flows share: a tiny base model with a tokenizer, data to learn, and ways to kill a run."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

WAIT_SECONDS = 300  # a machine that also trains and serves; seconds on a quiet one


def make_base(folder: Path) -> Path:
    """Write a random Llama with head size 32 and a tokenizer with a chat template."""
    import torch

    from tunesmith.config.train import ScratchConfig
    from tunesmith.train.model import new_llama
    from tunesmith.train.tokenizer import train_tokenizer

    torch.manual_seed(0)
    method = ScratchConfig(
        vocabulary_size=400,
        hidden_size=64,
        num_layers=2,
        head_size=32,
        intermediate_size=128,
        context_length=256,
    )
    tokenizer = train_tokenizer(
        [turn["content"] for row in conversations() for turn in row["messages"]], method
    )
    new_llama(method, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def conversations(count: int = 200) -> list[dict[str, Any]]:
    rng = random.Random(1)
    rows = []
    for _ in range(count):
        price = rng.randint(2, 99)
        turns = [
            {"role": "user", "content": f"The lamp costs {price} coins. What does it cost?"},
            {"role": "assistant", "content": f"{price} coins"},
        ]
        rows.append({"messages": turns})
    return rows


def write_recipe(folder: Path, base: Path, **fields: Any) -> Path:
    """Write data and a LoRA recipe for two workers on ZeRO 2."""
    data = folder / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in conversations()), encoding="utf-8")
    recipe: dict[str, Any] = {
        "verb": "train",
        "name": "lamp",
        "model": str(base),
        "data": {"type": "file", "path": str(data)},
        "method": {"type": "lora", "rank": 8, "alpha": 16},
        "sequence_length": 128,
        "micro_batch_size": 2,
        "global_batch_size": 4,
        "learning_rate": 0.01,
        "schedule": "constant",
        "zero_stage": 2,
        **fields,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def train_command(recipe: Path, home: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "tunesmith", "train", str(recipe), "--home", str(home), *more]


@contextmanager
def started(command: list[str], env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background; whatever is left of its tree dies with the block."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(env or {})},
    )
    try:
        yield process
    finally:
        kill_tree(process.pid)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def kill_tree(pid: int) -> None:
    """kill -9 a process and everything below it, at once."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    for victim in [process, *process.children(recursive=True)]:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue


def events_of(home: Path) -> list[Mapping[str, Any]]:
    """All events of all attempts, in the order told."""
    files = sorted((home / "objects" / "projects" / "default" / "jobs").glob("*/attempt-*/events.jsonl"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines(keepends=True)]
    return [json.loads(line) for line in lines if line.endswith("\n") and line.strip()]


def wait_for(
    home: Path, process: subprocess.Popen[str], wanted: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    """Wait until the run has told something."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = next((event for event in events_of(home) if wanted(event)), None)
        if found is not None:
            return found
        assert process.poll() is None, f"the run ended early:\n{process.communicate()[0]}"
        time.sleep(0.1)
    raise AssertionError(f"not told in {WAIT_SECONDS} s; told so far: {events_of(home)[-3:]}")


def run_cli(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tunesmith", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        env={**os.environ, **(env or {})},
        check=False,
    )
