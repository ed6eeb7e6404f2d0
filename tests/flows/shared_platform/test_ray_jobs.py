"""The plain Ray CLI against the platform's address, as docs/ray-jobs.md shows it: a trained model, which answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from live_platform import LivePlatform
from training import conversations

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]

RECIPE = {
    "verb": "train",
    "name": "submitted-lamp",
    "model": "tiny-reader",
    "data": {"type": "file", "path": "lamps.jsonl"},
    "max_steps": 4,
    "sequence_length": 256,
}


def test_ray_job_submit_trains_the_tiny_model_which_then_answers(
    platform: LivePlatform, tmp_path: Path
) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in conversations(64))
    (tmp_path / "lamps.jsonl").write_text(rows, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["RAY_JOB_HEADERS"] = json.dumps({"Authorization": f"Bearer {platform.record.api_key()}"})
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ray"),
            *("job", "submit", "--address", platform.base_url.removesuffix("/v1"), "--working-dir", "."),
            *("--", "tunesmith", "train", "recipe.yaml"),
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = [model.id for model in platform.client.models.list()]
    (version,) = [name for name in listed if name.startswith("ft:tiny-reader:default:submitted-lamp:")]
    assert version in done.stdout
    question = [{"role": "user", "content": "The lamp costs 7 coins. What does it cost?"}]
    answer = platform.client.chat.completions.create(model=version, messages=question, max_tokens=8)  # type: ignore[arg-type]
    assert answer.choices[0].message.content
