"""Packing loses nothing, overfills nothing, and changes no loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import DataError
from tunesmith.train.pack import IGNORED, fit, pack
from tunesmith.train.render import Tokens

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def _tokens(length: int, line: int, *, learned: int | None = None) -> Tokens:
    mask = np.zeros(length, dtype=np.bool_)
    mask[length - (length if learned is None else learned) :] = True
    return Tokens(np.arange(length, dtype=np.int32) + 100 * line, mask, "train.jsonl", line)


@given(lengths)
def test_every_item_is_in_one_bin_that_holds_it(sizes: list[int]) -> None:
    bins = fit(sizes, capacity=40)
    assert Counter(index for items in bins for index in items) == Counter(range(len(sizes)))
    assert all(sum(sizes[index] for index in items) <= 40 for items in bins)


@given(lengths)
def test_at_most_one_bin_is_less_than_half_full(sizes: list[int]) -> None:
    fills = [sum(sizes[index] for index in items) for items in fit(sizes, capacity=40)]
    assert sum(fill * 2 <= 40 for fill in fills) <= 1


@given(lengths)
def test_rows_hold_all_tokens_and_positions_restart(sizes: list[int]) -> None:
    examples = [_tokens(size, line) for line, size in enumerate(sizes, 1)]
    rows = list(pack(examples, sequence_length=40))
    held = Counter(token for row in rows for token in row.input_ids.tolist())
    assert held == Counter(token for example in examples for token in example.ids.tolist())
    for row in rows:
        assert row.position_ids.tolist() == (row.input_ids % 100).tolist()


def test_labels_are_the_learned_tokens_but_never_an_examples_first() -> None:
    (row,) = pack([_tokens(4, 1, learned=2), _tokens(3, 2)], sequence_length=8)
    assert row.input_ids.tolist() == [100, 101, 102, 103, 200, 201, 202]
    assert row.labels.tolist() == [IGNORED, IGNORED, 102, 103, IGNORED, 201, 202]
    assert row.position_ids.tolist() == [0, 1, 2, 3, 0, 1, 2]


def test_without_packing_each_example_has_its_row() -> None:
    rows = list(pack([_tokens(2, 1), _tokens(3, 2)], sequence_length=8, packing=False))
    assert [row.input_ids.tolist() for row in rows] == [[100, 101], [200, 201, 202]]


def test_too_long_examples_are_all_told_with_the_way_out() -> None:
    with pytest.raises(DataError) as told:
        list(pack([_tokens(9, 3), _tokens(8, 4), _tokens(12, 5)], sequence_length=8))
    first, second, way_out = told.value.message.splitlines()
    assert first == "train.jsonl:3: 9 tokens are more than sequence_length=8."
    assert second.startswith("train.jsonl:5: 12 tokens")
    assert "--set sequence_length=12" in way_out


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_loss_equals_the_loss_of_the_examples_alone(attention: str) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tunesmith.train.trainer import RowCollator

    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, attn_implementation=attention,
    )  # fmt: skip
    model = LlamaForCausalLM(shape).eval()
    rng = np.random.default_rng(0)
    examples = [
        Tokens(rng.integers(0, 64, size, dtype=np.int32), np.arange(size) % 3 > 0, "f", line)
        for line, size in enumerate((5, 17, 9, 12, 3))
    ]
    collate = RowCollator(pad_id=0)

    def losses(packing: bool, change: Callable[..., Any] = lambda batch: batch) -> torch.Tensor:
        rows = pack(examples, sequence_length=24, packing=packing)
        fields = ("input_ids", "labels", "position_ids")
        batch = collate([{name: torch.tensor(getattr(row, name)) for name in fields} for row in rows])
        with torch.no_grad():
            return model(**change(batch), num_items_in_batch=1, use_cache=False).loss

    def mixed(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return batch | {
            "position_ids": torch.arange(batch["input_ids"].shape[1]).expand(len(batch["input_ids"]), -1)
        }

    torch.testing.assert_close(losses(True), losses(False), rtol=1e-5, atol=1e-4)
    assert (losses(True, change=mixed) - losses(False)).abs() > 0.01, (
        "the test would not see examples that mix"
    )
