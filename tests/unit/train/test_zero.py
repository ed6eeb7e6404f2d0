"""The DeepSpeed configuration follows the recipe."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tunesmith.config.train import TrainConfig
from tunesmith.train.zero import zero_config

Recipe = Callable[..., TrainConfig]


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_stage_and_batches(recipe: Recipe, stage: int) -> None:
    config = recipe(zero_stage=stage, micro_batch_size=2, global_batch_size=16, resources={"num_workers": 4})
    made = zero_config(config)
    assert made["zero_optimization"]["stage"] == stage
    assert made["train_batch_size"] == 16
    assert made["train_micro_batch_size_per_gpu"] * 4 * made["gradient_accumulation_steps"] == 16


def test_whole_weights_can_be_gathered_from_stage_3_only(recipe: Recipe) -> None:
    gathers = [
        "stage3_gather_16bit_weights_on_model_save"
        in zero_config(recipe(zero_stage=stage))["zero_optimization"]
        for stage in (0, 1, 2, 3)
    ]
    assert gathers == [False, False, False, True]


def test_offload(recipe: Recipe) -> None:
    stage = zero_config(recipe(zero_stage=3, offload_optimizer=True, offload_param=True))["zero_optimization"]
    assert stage["offload_optimizer"]["device"] == stage["offload_param"]["device"] == "cpu"


def test_optimizer_and_precision(recipe: Recipe) -> None:
    made = zero_config(recipe(learning_rate=1e-3, weight_decay=0.1, max_grad_norm=0.5, bf16=False))
    assert made["optimizer"]["params"]["lr"] == 1e-3
    assert made["optimizer"]["params"]["weight_decay"] == 0.1
    assert made["gradient_clipping"] == 0.5
    assert made["bf16"] == {"enabled": False}


def test_nothing_is_left_to_be_guessed(recipe: Recipe) -> None:
    assert "auto" not in str(zero_config(recipe(zero_stage=3)))
