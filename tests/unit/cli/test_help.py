"""`tunesmith --help` is quick, because it loads no engine."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("tunesmith"))
LIMIT_SECONDS = 0.4
HEAVY = {
    "torch",
    "ray",
    "pymilvus",
    "milvus_lite",
    "transformers",
    "vllm",
    "deepspeed",
    "sentence_transformers",
    "matplotlib",
}
ALL_HELPS = """
import json, sys
from tunesmith.cli.main import app
from tunesmith.cli.reference.commands import render_commands
text = render_commands(app)
print(json.dumps({"text": text, "modules": sorted(sys.modules)}))
"""


def _seconds_of_help() -> float:
    # Processor time of the child: a clock on the wall would measure what else this machine does.
    before = os.times()
    subprocess.run([COMMAND, "--help"], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_help_takes_less_than_half_a_second() -> None:
    assert 0 < statistics.median(_seconds_of_help() for _ in range(5)) < LIMIT_SECONDS


def test_help_of_no_command_loads_an_engine() -> None:
    done = subprocess.run([sys.executable, "-c", ALL_HELPS], check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    assert answer["text"].count("Usage: tunesmith") >= 8
    assert not HEAVY & set(answer["modules"])


def test_an_unknown_command_is_misuse_in_one_line() -> None:
    done = subprocess.run([COMMAND, "trane"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "trane" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_engine_is_told_in_one_line() -> None:
    code = "import sys; sys.modules['numpy'] = None; from tunesmith.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "tiny/handbook-lora"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the Python package numpy is not installed")
    assert len(done.stderr.splitlines()) == 1
