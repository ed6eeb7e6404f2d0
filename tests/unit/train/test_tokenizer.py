"""Tokenizers of a run: the base's own, or a new one that loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.config.train import TrainConfig
from tunesmith.errors import ModelNotFoundError
from tunesmith.train.tokenizer import load_tokenizer, make_tokenizer


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=("Cs",))))
def test_every_text_comes_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_digits_stand_alone(tokenizer: Any) -> None:
    assert tokenizer.tokenize("2026 [12]")[:4] == ["2", "0", "2", "6"]


def test_saved_tokenizer_renders_the_same(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    talk = [{"role": "user", "content": "27 days?"}, {"role": "assistant", "content": "Yes."}]
    assert loaded.apply_chat_template(talk)["input_ids"] == tokenizer.apply_chat_template(talk)["input_ids"]
    assert loaded.eos_token == "<|end|>"


def test_missing_model_is_told(recipe: Callable[..., TrainConfig]) -> None:
    with pytest.raises(
        ModelNotFoundError, match=r'model="no/such-model" cannot be loaded: .*Use a shipped model'
    ):
        make_tokenizer(recipe(model="no/such-model"), [])


def test_missing_folder_is_told(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r'none" is not a folder of this machine'):
        make_tokenizer(recipe(model=str(tmp_path / "none")), [])


def test_folder_without_a_tokenizer_is_told(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="cannot be loaded"):
        make_tokenizer(recipe(model=str(tmp_path)), [])
