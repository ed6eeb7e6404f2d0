"""How well a model that is being trained writes answers that it does not learn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import Trainer


def measure_tokens(trainer: Trainer) -> dict[str, float]:
    """Measure a model on its trainer's validation rows; all ranks call, each measures its share.

    Args:
        trainer: on a DeepSpeed engine, its model with TRL's fused output layer.

    Returns:
        `loss`: mean cross-entropy of the tokens that count; `mean_token_accuracy`: share of them that the model
        finds likeliest. Over all tokens of the file, however they lie in rows and batches.
    """
    engine = trainer.model_wrapped
    engine.eval()  # stays so until the next step, which sets it back: what is logged now is no training
    sums = torch.zeros(3, dtype=torch.float64, device=trainer.args.device)
    for batch, counts in _batches(trainer):
        with torch.no_grad():
            said = engine(**batch, use_cache=False, fused_lm_head=True)
        if counts:
            sums += torch.stack([-said.log_probs.sum(), said.is_top1.sum(), said.label_mask.sum()]).double()
    loss, correct, count = trainer.accelerator.reduce(sums, reduction="sum").tolist()
    return {"loss": loss / max(count, 1), "mean_token_accuracy": correct / max(count, 1)}


def _batches(trainer: Trainer) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """A rank's batches, and whether each counts: under ZeRO 3 a forward pass is a meeting of all ranks, so that one
    that has no row left in the last round takes the first row once more."""
    args, rows = trainer.args, trainer.eval_dataset
    size = args.per_device_eval_batch_size
    for start in range(
        args.process_index * size, _round_up(len(rows), size * args.world_size), size * args.world_size
    ):
        mine = [rows[number] for number in range(start, min(start + size, len(rows)))]
        batch = trainer.data_collator(mine or [rows[0]])
        yield {name: tensor.to(args.device) for name, tensor in batch.items()}, bool(mine)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
