"""The number format of what is registered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tunesmith.config.train import TrainConfig
from tunesmith.train.export import shipped_dtype


@pytest.mark.parametrize(
    ("method", "bf16", "dtype"),
    [
        ("lora", True, torch.bfloat16),
        ("lora", False, torch.float32),
        ("full", False, torch.bfloat16),
        ("scratch", True, torch.bfloat16),
        ("scratch", False, torch.bfloat16),
    ],
)
def test_adapters_stay_as_trained_and_models_are_bfloat16(
    recipe: Callable[..., TrainConfig], method: str, bf16: bool, dtype: torch.dtype
) -> None:
    assert shipped_dtype(recipe(method={"type": method}, bf16=bf16)) == dtype
