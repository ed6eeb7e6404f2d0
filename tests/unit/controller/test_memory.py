from __future__ import annotations

from pathlib import Path

from tunesmith.assets import model_source
from tunesmith.config.serve import BaseConfig, EngineConfig
from tunesmith.controller.memory import EngineMemory, free_bytes
from tunesmith.serve.applications import Hosted

GIB = 2**30


def needed(source: Path | str, *, own: EngineConfig | None = None) -> int:
    hosted = Hosted(BaseConfig(model="m", engine=own), str(source))
    return EngineMemory({"m": hosted}, engine=EngineConfig()).needs("m")


def test_weights_count_with_their_bytes_and_the_cache_with_its_bound(tmp_path: Path) -> None:
    assert needed(tmp_path) == 2 * GIB, "processes, and all of engine.kv_cache_gib"
    (tmp_path / "model-00001.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "model-00002.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "notes.txt").write_bytes(b"x" * 1000)
    assert needed(tmp_path) == 2 * GIB + 2000
    assert needed(tmp_path, own=EngineConfig(kv_cache_gib=4)) == 5 * GIB + 2000


def test_a_small_model_takes_no_more_cache_than_all_its_sequences_fill() -> None:
    assert GIB < needed(model_source("tiny-reader")) < 1.5 * GIB


def test_a_model_that_is_not_here_yet_has_no_weights() -> None:
    assert needed("Qwen/Qwen3-0.6B") == 2 * GIB


def test_some_memory_is_free() -> None:
    assert free_bytes() > 0
