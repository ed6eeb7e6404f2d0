"""The DeepSpeed configuration of a run: a pure function of the recipe."""

from __future__ import annotations

from typing import Any

from tunesmith.config.train import TrainConfig


def zero_config(config: TrainConfig) -> dict[str, Any]:
    """Translate a recipe into DeepSpeed's JSON.

    Stage 0 keeps whole copies; 1 shares optimizer states among the workers, 2 also gradients, 3 also parameters
    (arXiv:1910.02054).

    Args:
        config: the recipe.

    Returns:
        A configuration with no `auto` values.
    """
    return {
        "train_micro_batch_size_per_gpu": config.micro_batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        "train_batch_size": config.global_batch_size,
        "gradient_clipping": config.max_grad_norm,
        "bf16": {"enabled": config.bf16},
        "optimizer": _optimizer(config),
        "zero_optimization": _stage(config),
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
    }


def _optimizer(config: TrainConfig) -> dict[str, Any]:
    # torch's own AdamW: DeepSpeed's fused and CPU variants are compiled at the first use, which costs a
    # compiler on the machine and a minute of every cold start.
    params = {
        "lr": config.learning_rate,
        "betas": [0.9, config.adam_beta2],
        "eps": 1e-8,
        "weight_decay": config.weight_decay,
        "torch_adam": True,
    }
    return {"type": "AdamW", "params": params}


def _stage(config: TrainConfig) -> dict[str, Any]:
    stage: dict[str, Any] = {
        "stage": config.zero_stage,
        "contiguous_gradients": True,
        "overlap_comm": _on_gpu(config),
    }
    if config.offload_optimizer:
        stage["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if config.zero_stage == 3:
        stage["stage3_gather_16bit_weights_on_model_save"] = True
    if config.offload_param and config.zero_stage == 3:
        stage["offload_param"] = {"device": "cpu", "pin_memory": True}
    return stage


def _on_gpu(config: TrainConfig) -> bool:
    return config.resources.gpus_per_worker > 0
