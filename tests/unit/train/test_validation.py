"""What is measured on a validation file: every token that counts, once, however the ranks share the rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tunesmith.train.pack import IGNORED
from tunesmith.train.trainer import RowCollator
from tunesmith.train.validation import measure_tokens


class Engine:
    """Says of a token that it costs a tenth of its number, and is right about the even ones."""

    training = True
    passes = 0

    def eval(self) -> None:
        self.training = False

    def __call__(self, **batch: Any) -> SimpleNamespace:
        assert not self.training
        self.passes += 1
        counted = batch["labels"] != IGNORED
        return SimpleNamespace(
            log_probs=-(batch["labels"] * counted) / 10,
            is_top1=(batch["labels"] % 2 == 0) & counted,
            label_mask=counted,
        )


def _row(*labels: int) -> dict[str, torch.Tensor]:
    ids = torch.tensor(labels)
    return {"input_ids": ids.clamp(min=0), "labels": ids, "position_ids": torch.arange(len(ids))}


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_each_token_counts_once_on_any_number_of_ranks(world_size: int, count: int) -> None:
    rows = [_row(IGNORED, *range(1, number + 2)) for number in range(count)]
    sums = torch.zeros(3, dtype=torch.float64)
    passes = []

    def add(measured: torch.Tensor, *, reduction: str) -> torch.Tensor:
        assert reduction == "sum"
        sums.add_(measured)
        return sums

    for rank in range(world_size):
        engine = Engine()
        args = SimpleNamespace(
            device="cpu", world_size=world_size, process_index=rank, per_device_eval_batch_size=2
        )
        trainer: Any = SimpleNamespace(
            model_wrapped=engine,
            args=args,
            eval_dataset=rows,
            data_collator=RowCollator(0),
            accelerator=SimpleNamespace(reduce=add),
        )
        measured = measure_tokens(trainer)
        passes.append(engine.passes)

    tokens = [token for row in rows for token in row["labels"].tolist() if token != IGNORED]
    assert measured["loss"] == pytest.approx(sum(tokens) / 10 / len(tokens))
    assert measured["mean_token_accuracy"] == sum(token % 2 == 0 for token in tokens) / len(tokens)
    assert len(set(passes)) == 1, "all ranks meet in each forward pass"
