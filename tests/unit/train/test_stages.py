from __future__ import annotations

import numpy as np

from tunesmith.config.train import FileDataConfig, TrainConfig
from tunesmith.train.prepare import in_stages
from tunesmith.train.render import Tokens


def _tokens(length: int, stage: int) -> Tokens:
    ids = np.full(length, stage, dtype=np.int32)
    return Tokens(ids, np.ones(length, dtype=np.bool_), "f", 1, stage)


def test_stages_stay_in_order_and_batches_hold_rows_of_like_length() -> None:
    config = TrainConfig(
        name="x", data=FileDataConfig(path="x"), packing=False, micro_batch_size=2, global_batch_size=4
    )
    tokens = [_tokens(length, stage) for stage in (0, 1) for length in (9, 2, 8, 3, 7, 4, 6, 5)]
    rows = list(in_stages(config, tokens))
    assert [int(row.input_ids[0]) for row in rows] == [0] * 8 + [1] * 8
    batches = [sorted(len(row.input_ids) for row in rows[start : start + 4]) for start in range(0, 16, 4)]
    assert all(batch in ([2, 3, 4, 5], [6, 7, 8, 9]) for batch in batches)


def test_rows_that_fill_no_batch_are_kept() -> None:
    config = TrainConfig(
        name="x", data=FileDataConfig(path="x"), packing=False, micro_batch_size=2, global_batch_size=4
    )
    assert len(list(in_stages(config, [_tokens(5, 0) for _ in range(7)]))) == 7
