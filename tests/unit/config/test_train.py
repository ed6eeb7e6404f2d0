"""Rules between the fields of a training recipe."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.config.recipe import validate
from tunesmith.config.train import TrainConfig
from tunesmith.errors import ConfigError


def _recipe(**fields: Any) -> TrainConfig:
    document = {"name": "run", "data": {"type": "file", "path": "train.jsonl"}, **fields}
    return validate(document, TrainConfig, where="recipe.yaml")


def test_rows_of_a_new_model_fit_its_context() -> None:
    scratch = {"type": "scratch", "context_length": 512}
    assert _recipe(method=scratch, sequence_length=512).sequence_length == 512
    with pytest.raises(ConfigError, match=r"sequence_length=513 is more than method\.context_length=512\."):
        _recipe(method=scratch, sequence_length=513)


def test_batch_is_a_multiple_of_what_the_workers_take() -> None:
    with pytest.raises(ConfigError, match=r"global_batch_size=9 is not a multiple .* Use 8\."):
        _recipe(micro_batch_size=4, global_batch_size=9)
