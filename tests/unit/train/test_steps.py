"""How many optimizer steps a run has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tunesmith.config.train import TrainConfig
from tunesmith.train.steps import num_steps


@pytest.mark.parametrize(
    ("rows", "epochs", "expected"), [(16, 1, 2), (17, 1, 3), (16, 2.5, 5), (3, 1, 1), (16, 0.1, 1)]
)
def test_epochs(recipe: Callable[..., TrainConfig], rows: int, epochs: float, expected: int) -> None:
    config = recipe(micro_batch_size=2, global_batch_size=8, num_epochs=epochs)
    assert num_steps(config, num_rows=rows) == expected


def test_max_steps_wins(recipe: Callable[..., TrainConfig]) -> None:
    assert num_steps(recipe(max_steps=7, num_epochs=100), num_rows=1000) == 7
