"""The order of hits that two searches rank the same."""

from __future__ import annotations

from tunesmith.stores.milvus import _ranked


def _row(id: str, distance: float, dense: list[float]) -> dict[str, object]:
    return {"id": id, "distance": distance, "entity": {"dense": dense}}


def test_of_an_equal_rank_the_nearer_in_meaning_comes_first_then_the_id():
    far, near, same = (
        _row("a", 0.0164, [0.0, 1.0]),
        _row("z", 0.0164, [0.8, 0.6]),
        _row("b", 0.0164, [0.0, 1.0]),
    )
    best = _row("y", 0.03, [0.0, 1.0])
    assert _ranked([same, far, near, best], [1.0, 0.0]) == [best, near, far, same]
