"""Programs written for the hosted API, in TypeScript, with the official Node SDK from its registry: the classic one of
fine-tuning, unchanged, and one that calls every method for which engines are needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from live_platform import LivePlatform
from tests.api.node_sdk import check_answers, check_calls, run_node
from tests.api.openapi import load_spec
from tests.api.sdk_surface import WITH_ENGINE

pytestmark = [pytest.mark.flow, pytest.mark.timeout(900)]

INSTRUCTIONS = (
    "If the context doesn't contain the answer, say so. Always cite which document you're referencing."
)
PARTS = ("chat", "completions", "embeddings", "vectorStores", "responses", "batches")


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


@pytest.mark.slow
def test_the_classic_program_runs_unchanged(
    platform: LivePlatform, node_programs: Path, tmp_path: Path
) -> None:
    examples = str(_write_examples(tmp_path / "train.jsonl"))
    (told,) = run_node(node_programs, "classic.ts", examples, base_url=platform.base_url, key=platform.key)
    assert told["status"] == "succeeded"
    assert told["model"].startswith("ft:tiny-reader:default:tuned:")
    assert told["last"] == "The job has successfully completed"
    assert told["answer"]


def test_every_method_is_called_and_every_answer_is_as_the_spec_says(
    platform: LivePlatform, node_programs: Path
) -> None:
    told = run_node(node_programs, "surface.ts", "none", *PARTS, base_url=platform.base_url, key=platform.key)
    check_calls(told, WITH_ENGINE)
    if spec := load_spec():
        assert check_answers(told, spec) >= 5
