"""A small tokenizer of our own, and recipes to train with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tunesmith.config.train import ScratchConfig, TrainConfig
from tunesmith.train.tokenizer import train_tokenizer

TEXTS = ["How many days of leave? 27 days [2].", "The documents do not say.", "Repeat: one two three"] * 20


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A BPE tokenizer with the template of models made from scratch."""
    return train_tokenizer(TEXTS, ScratchConfig(vocabulary_size=320, hidden_size=64, context_length=256))


@pytest.fixture
def recipe() -> Callable[..., TrainConfig]:
    """Makes a recipe; fields may be overridden."""

    def make(**fields: Any) -> TrainConfig:
        return TrainConfig.model_validate(
            {"name": "run", "data": {"type": "file", "path": "train.jsonl"}, **fields}
        )

    return make
