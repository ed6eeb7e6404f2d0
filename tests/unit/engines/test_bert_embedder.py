from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.engines.bert_embedder import batches_by_length


def test_texts_of_like_length_share_a_batch() -> None:
    assert list(batches_by_length([2, 6, 3, 5], budget=12)) == [[1, 3], [2, 0]]


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 1000))
def test_every_text_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(batches_by_length(lengths, budget=budget))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[row] for row in batch) * len(batch) <= budget
