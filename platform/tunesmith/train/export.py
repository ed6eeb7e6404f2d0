"""The trained weights as safetensors and JSON: what is registered and served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tunesmith.config.train import AdapterMethod, TrainConfig
from tunesmith.train.checkpoint import storage_errors


def shipped_dtype(config: TrainConfig) -> torch.dtype:
    """The number format of the registered weights.

    An adapter is registered as it was trained: rounding a float32 one would serve another than was measured. A whole
    model is registered in bfloat16, in which engines run it and which its configuration names.

    Args:
        config: the recipe.

    Returns:
        A torch dtype.
    """
    if isinstance(config.method, AdapterMethod) and not config.bf16:
        return torch.float32
    return torch.bfloat16


def export_weights(trainer: Any, tokenizer: Any, folder: Path, *, dtype: torch.dtype) -> None:
    """Write adapter or model, configuration and tokenizer; all ranks call, rank 0 writes.

    Args:
        trainer: a trainer that has trained.
        tokenizer: the run's tokenizer.
        folder: where to write.
        dtype: from `shipped_dtype`.
    """
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)  # gathers what ZeRO 3 has spread
    if trainer.state.is_world_process_zero:
        model = trainer.accelerator.unwrap_model(trainer.model_wrapped)
        state = {name: tensor.to(dtype) for name, tensor in weights.items()}
        with storage_errors(folder):
            model.save_pretrained(folder, state_dict=state)
            tokenizer.save_pretrained(folder)
    torch.distributed.barrier()
