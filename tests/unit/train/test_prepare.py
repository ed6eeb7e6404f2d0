"""Rows on disk: complete or absent, made once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tunesmith.config.train import TrainConfig
from tunesmith.errors import ConfigError, StorageError
from tunesmith.records import Example, Message
from tunesmith.train.prepare import prepare

Recipe = Callable[..., TrainConfig]
EXAMPLES = [
    Example((Message("user", f"What is {n}?"), Message("assistant", f"It is {n}.")), "train.jsonl", n)
    for n in range(1, 21)
]


def _not_again() -> list[Example]:
    pytest.fail("the examples were made a second time")


@pytest.fixture
def scratch(recipe: Recipe) -> TrainConfig:
    return recipe(method={"type": "scratch", "vocabulary_size": 320}, sequence_length=64)


def _rows(path: Path) -> list[dict[str, list[int]]]:
    with pa.memory_map(str(path)) as source:
        return list(pa.ipc.open_stream(source).read_all().to_pylist())


def test_what_is_counted_is_what_is_written(scratch: TrainConfig, tmp_path: Path) -> None:
    prepared = prepare(scratch, lambda: EXAMPLES, tmp_path / "prepared")
    rows = _rows(prepared.rows_file)
    assert prepared.num_examples == 20
    assert prepared.num_rows == len(rows)
    assert prepared.num_tokens == sum(len(row["input_ids"]) for row in rows)
    assert prepared.num_loss_tokens == sum(label >= 0 for row in rows for label in row["labels"])
    assert all(len(row["input_ids"]) <= 64 for row in rows)
    assert sum(row["position_ids"].count(0) for row in rows) == 20


def test_what_a_run_is_measured_on_lies_apart(recipe: Recipe, tmp_path: Path) -> None:
    line = '{"messages": [{"role": "user", "content": "What is 1?"}, {"role": "assistant", "content": "It is 1."}]}'
    (tmp_path / "valid.jsonl").write_text(f"{line}\n{line}\n", encoding="utf-8")
    config = recipe(
        method={"type": "scratch", "vocabulary_size": 320},
        sequence_length=64,
        packing=False,
        validation={"path": str(tmp_path / "valid.jsonl")},
    )
    prepared = prepare(config, lambda: EXAMPLES, tmp_path / "prepared")
    assert (prepared.num_examples, prepared.num_validation_examples) == (20, 2)
    assert len(_rows(prepared.rows_file)) == 20
    assert len(_rows(prepared.validation_file)) == 2


def test_a_complete_folder_is_used_again(scratch: TrainConfig, tmp_path: Path) -> None:
    first = prepare(scratch, lambda: EXAMPLES, tmp_path / "prepared")
    written = first.rows_file.stat().st_mtime_ns
    assert prepare(scratch, _not_again, tmp_path / "prepared") == first
    assert first.rows_file.stat().st_mtime_ns == written


def test_a_fresh_start_makes_it_anew(scratch: TrainConfig, tmp_path: Path) -> None:
    prepare(scratch, lambda: EXAMPLES, tmp_path / "prepared")
    again = prepare(scratch, lambda: EXAMPLES[:5], tmp_path / "prepared", fresh=True)
    assert again.num_examples == 5
    assert prepare(scratch, _not_again, tmp_path / "prepared") == again


def test_a_base_that_does_not_fit_leaves_nothing_prepared(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe(method={"type": "lora", "target_modules": ["nope"]})
    with pytest.raises(ConfigError, match="no linear layer"):
        prepare(config, lambda: EXAMPLES, tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()


def test_a_half_made_folder_is_made_anew(scratch: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "rows.arrow").write_bytes(b"half")
    prepared = prepare(scratch, lambda: EXAMPLES, tmp_path / "prepared")
    assert len(_rows(prepared.rows_file)) == prepared.num_rows


def test_a_moved_home_is_found(scratch: TrainConfig, tmp_path: Path) -> None:
    prepare(scratch, lambda: EXAMPLES, tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert prepare(scratch, _not_again, tmp_path / "new").rows_file.exists()


def test_unwritable_folder_is_told(scratch: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        prepare(scratch, lambda: EXAMPLES, tmp_path / "file" / "prepared")


def test_summary_is_plain_json(scratch: TrainConfig, tmp_path: Path) -> None:
    prepare(scratch, lambda: EXAMPLES, tmp_path / "prepared")
    summary = json.loads((tmp_path / "prepared" / "prepared.json").read_text(encoding="utf-8"))
    assert summary["num_examples"] == 20
