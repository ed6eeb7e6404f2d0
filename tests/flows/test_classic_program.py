"""A program written for the hosted fine-tuning API, unchanged: TypeScript, the official Node SDK from its registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import LivePlatform

pytestmark = [pytest.mark.flow, pytest.mark.timeout(900)]

PROGRAM = Path(__file__).with_name("classic")
INSTRUCTIONS = (
    "If the context doesn't contain the answer, say so. Always cite which document you're referencing."
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("Node.js is not installed")
    folder = tmp_path_factory.mktemp("classic")
    shutil.copytree(PROGRAM, folder, dirs_exist_ok=True)
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def _write_examples(path: Path) -> Path:
    lines = []
    for number in range(20):
        context = f"Context: [handbook.md] The office opens at {6 + number % 5}."
        turns = [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": f"{context}\n\nWhen does the office open?"},
            {"role": "assistant", "content": f"At {6 + number % 5} [handbook.md]."},
        ]
        lines.append(json.dumps({"messages": turns}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_classic_program_runs_unchanged(platform: LivePlatform, folder: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OPENAI_BASE_URL": platform.base_url, "OPENAI_API_KEY": platform.key}
    command = [
        str(folder / "node_modules" / ".bin" / "tsx"),
        "program.ts",
        str(_write_examples(tmp_path / "train.jsonl")),
    ]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "succeeded"
    assert told["model"].startswith("ft:tiny-reader:default:tuned:")
    assert told["last"] == "The job has successfully completed"
    assert told["answer"]
