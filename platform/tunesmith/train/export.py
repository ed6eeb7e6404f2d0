"""The trained weights as safetensors and JSON, in bfloat16: what is registered and served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tunesmith.train.checkpoint import storage_errors


def export_weights(trainer: Any, tokenizer: Any, folder: Path) -> None:
    """Write adapter or model, configuration and tokenizer; all ranks call, rank 0 writes.

    Args:
        trainer: a trainer that has trained.
        tokenizer: the run's tokenizer.
        folder: where to write.
    """
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)  # gathers what ZeRO 3 has spread
    if trainer.state.is_world_process_zero:
        model = trainer.accelerator.unwrap_model(trainer.model_wrapped)
        state = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
        with storage_errors(folder):
            model.save_pretrained(folder, state_dict=state)
            tokenizer.save_pretrained(folder)
    torch.distributed.barrier()
