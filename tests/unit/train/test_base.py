"""What is wrong with a base is told before a worker is held."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tunesmith.assets import model_source
from tunesmith.config.train import TrainConfig
from tunesmith.errors import ConfigError, ModelNotFoundError
from tunesmith.train.base import check_base, hash_tokenizer, settle_base

Recipe = Callable[..., TrainConfig]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A copy of the shipped model, to be damaged."""
    return Path(shutil.copytree(model_source("tiny-reader"), tmp_path / "base"))


def _edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def test_shipped_and_whole_bases_pass(recipe: Recipe, base: Path) -> None:
    check_base(recipe())
    check_base(recipe(model=str(base), method={"type": "full"}))
    check_base(recipe(method={"type": "lora", "target_modules": ["q_proj", "self_attn.v_proj"]}))


def test_model_from_scratch_has_no_base(recipe: Recipe) -> None:
    config = recipe(method={"type": "scratch"}, model="no/such-model")
    check_base(config)
    assert hash_tokenizer(config) == ""


@pytest.mark.parametrize("targets", [["nope"], ["q_proj", "nope"], ["norm"], ["proj"], []])
def test_layers_that_the_base_lacks_are_told_with_those_it_has(recipe: Recipe, targets: list[str]) -> None:
    with pytest.raises(
        ConfigError, match=r"method\.target_modules=.* Use all-linear, or some of .*q_proj"
    ) as told:
        check_base(recipe(method={"type": "lora", "target_modules": targets}))
    assert told.value.param == "method.target_modules"
    assert len(told.value.message.splitlines()) == 1


def test_pickled_weights_are_told(recipe: Recipe, base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(ModelNotFoundError, match="has no weights in safetensors"):
        check_base(recipe(model=str(base)))


def test_missing_shard_is_told(recipe: Recipe, base: Path) -> None:
    (base / "model.safetensors").rename(base / "model-00001-of-00002.safetensors")
    shards = {"a.weight": "model-00001-of-00002.safetensors", "b.weight": "model-00002-of-00002.safetensors"}
    index = base / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}), encoding="utf-8")
    with pytest.raises(ModelNotFoundError, match=r"1 of 2 weight files are missing .*, model-00002-of-00002"):
        check_base(recipe(model=str(base)))
    shutil.copy(base / "model-00001-of-00002.safetensors", base / "model-00002-of-00002.safetensors")
    check_base(recipe(model=str(base)))


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1", None])
def test_weights_cut_short_are_told(recipe: Recipe, base: Path, content: bytes | None) -> None:
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] if content is None else content)
    with pytest.raises(ModelNotFoundError, match="1 of 1 weight files are missing or cut short"):
        check_base(recipe(model=str(base)))


@pytest.mark.parametrize("kind", ["t5", "no-such-kind"])
def test_what_is_no_causal_model_is_told_in_one_line(recipe: Recipe, base: Path, kind: str) -> None:
    _edit(base / "config.json", model_type=kind)
    with pytest.raises(ModelNotFoundError, match=r"base\" cannot be loaded: .* Use a shipped model") as told:
        check_base(recipe(model=str(base)))
    assert len(told.value.message.splitlines()) == 1


def test_rows_longer_than_the_context_are_told(recipe: Recipe) -> None:
    check_base(recipe(sequence_length=2048))
    with pytest.raises(
        ConfigError, match=r"sequence_length=2049 .* 2048 tokens\. Use --set sequence_length=2048"
    ):
        check_base(recipe(sequence_length=2049))


def test_folders_get_their_absolute_name(recipe: Recipe, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(base.parent)
    monkeypatch.setenv("HOME", str(base.parent))
    assert {settle_base(recipe(model=name)).model for name in ("base", "./base", "~/base")} == {str(base)}
    assert settle_base(recipe(model="tiny-reader")).model == "tiny-reader"
    assert settle_base(recipe(model="Qwen/Qwen3-0.6B")).model == "Qwen/Qwen3-0.6B"


@pytest.mark.parametrize(
    "name",
    ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "additional_chat_templates/rag.jinja"],
)
def test_hash_follows_tokenizer_and_templates(recipe: Recipe, base: Path, name: str) -> None:
    config = recipe(model=str(base))
    before = hash_tokenizer(config)
    (base / name).parent.mkdir(exist_ok=True)
    with (base / name).open("a", encoding="utf-8") as file:
        file.write(" ")
    assert hash_tokenizer(config) != before


def test_hash_is_that_of_the_files_wherever_they_lie(recipe: Recipe, base: Path) -> None:
    before = hash_tokenizer(recipe(model=str(base)))
    (base / "README.md").write_text("a card", encoding="utf-8")
    assert hash_tokenizer(recipe(model=str(base))) == before == hash_tokenizer(recipe())


def test_missing_base_has_no_hash(recipe: Recipe, tmp_path: Path) -> None:
    for name in (str(tmp_path / "none"), "no/such-model"):
        with pytest.raises(ModelNotFoundError):
            hash_tokenizer(recipe(model=name))
