from __future__ import annotations

import time

import pytest

from tunesmith.stores.ordered_ids import born_at, new_id


def test_ids_sort_by_the_moment_they_were_made() -> None:
    made = []
    for _ in range(50):
        made.append(new_id("file-"))
        time.sleep(0.00001)
    assert made == sorted(made)
    assert len(set(made)) == 50


def test_an_id_says_when_it_was_made() -> None:
    before = int(time.time())
    made_at = born_at(new_id("file-"), "file-")
    assert made_at is not None
    assert before <= made_at <= time.time()


@pytest.mark.parametrize(
    "id", ["", "file-", "file-abc123", "part_" + "0" * 24, "file-" + "x" * 24, "file-" + "0" * 25]
)
def test_what_is_no_id_says_nothing(id: str) -> None:
    assert born_at(id, "file-") is None
