"""Examples from a recipe's `data`, and the hash that says whether they changed."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from tunesmith.config.train import FileDataConfig, ReadingDataConfig, ReadingStage
from tunesmith.datasets import sources
from tunesmith.datasets.sources import hash_data, load_examples
from tunesmith.errors import DataError


def test_hash_follows_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("x", encoding="utf-8")
    first = hash_data(FileDataConfig(path=str(path)))
    assert hash_data(FileDataConfig(path=str(path))) == first
    path.write_text("y", encoding="utf-8")
    assert hash_data(FileDataConfig(path=str(path))) != first


def test_hash_of_a_generator_follows_its_settings_sources_and_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ReadingDataConfig(stages=(ReadingStage(num_examples=2),))
    other = ReadingDataConfig(stages=(ReadingStage(num_examples=3),))
    assert hash_data(data) == hash_data(data) != hash_data(other)
    package = tmp_path / "tunesmith"
    for place in ("datasets/reading", "rag"):
        shutil.copytree(Path(str(files("tunesmith"))) / place, package / place)
    monkeypatch.setattr(sources, "files", lambda _: package)
    copied = hash_data(data)
    assert copied == hash_data(data)
    for name in ("datasets/reading/verbs.py", "datasets/reading/relations/names.yaml", "rag/prompt.py"):
        with (package / name).open("a", encoding="utf-8") as file:
            file.write("# another\n")
        before, copied = copied, hash_data(data)
        assert copied != before, name


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        hash_data(FileDataConfig(path=str(tmp_path / "none")))


def test_synthetic_examples_follow_the_seed() -> None:
    data = ReadingDataConfig(
        stages=(ReadingStage(num_examples=2), ReadingStage(num_examples=1, loss_on="all"))
    )
    assert load_examples(data, seed=1) == load_examples(data, seed=1)
    assert load_examples(data, seed=1) != load_examples(data, seed=2)
    assert [example.stage for example in load_examples(data, seed=1)] == [0, 0, 1]
    assert all(example.messages[-1].role == "assistant" for example in load_examples(data, seed=1))


def test_a_curriculum_keeps_its_stages_in_order() -> None:
    data = ReadingDataConfig(
        stages=(ReadingStage(num_examples=3, loss_on="all"), ReadingStage(num_examples=2))
    )
    examples = load_examples(data, seed=1)
    assert [example.stage for example in examples] == [0, 0, 0, 1, 1]
    assert [example.loss_on for example in examples] == ["all"] * 3 + ["assistant"] * 2
