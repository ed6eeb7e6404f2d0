"""How many optimizer steps a run has: the same count for the plan, the schedule and the progress bar."""

from __future__ import annotations

import math

from tunesmith.config.train import TrainConfig


def num_steps(config: TrainConfig, *, num_rows: int) -> int:
    """Optimizer steps of the whole run.

    Args:
        config: the recipe.
        num_rows: rows of one epoch.

    Returns:
        `max_steps`, else the epochs' rows over the global batch, rounded up in each epoch.
    """
    if config.max_steps is not None:
        return config.max_steps
    per_worker = math.ceil(num_rows / (config.micro_batch_size * config.resources.num_workers))
    per_epoch = max(1, math.ceil(per_worker / config.gradient_accumulation_steps))
    return math.ceil(config.num_epochs * per_epoch)
