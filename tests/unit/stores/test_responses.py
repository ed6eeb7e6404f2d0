from __future__ import annotations

import pytest

from tunesmith.errors import NotFoundError
from tunesmith.stores.database import ProjectRow, ResponseItemRow
from tunesmith.stores.responses import ResponseStore


@pytest.fixture
def database(metadata):
    return metadata


@pytest.fixture
def kept(database):
    return ResponseStore(database, "default")


def _save(kept: ResponseStore, name: str, previous: str | None = None) -> None:
    output = [{"id": f"out_{name}", "type": "message"}]
    response = {
        "id": name,
        "previous_response_id": previous,
        "created_at": 1,
        "output": output,
        "metadata": {"a": "b"},
    }
    kept.save(response, asked=[{"id": f"in_{name}", "type": "message"}])


def _ids(items):
    return [item["id"] for item in items]


def test_a_response_comes_back_as_it_was(kept):
    _save(kept, "a")
    assert kept.response("a") == {
        "id": "a",
        "previous_response_id": None,
        "created_at": 1,
        "metadata": {"a": "b"},
        "output": [{"id": "out_a", "type": "message"}],
    }


def test_a_conversation_is_told_from_its_beginning(kept):
    _save(kept, "a")
    _save(kept, "b", "a")
    _save(kept, "c", "b")
    _save(kept, "other", "a")
    assert _ids(kept.conversation("b")) == ["in_a", "out_a", "in_b", "out_b"]
    assert _ids(kept.asked("c")) == ["in_a", "out_a", "in_b", "out_b", "in_c"]
    assert _ids(kept.conversation("other")) == ["in_a", "out_a", "in_other", "out_other"]


def test_a_gap_ends_a_conversation_but_what_is_left_can_be_read(kept):
    for name, previous in (("a", None), ("b", "a"), ("c", "b")):
        _save(kept, name, previous)
    kept.delete("a")
    with pytest.raises(NotFoundError, match="'a' not found"):
        kept.conversation("c")
    assert _ids(kept.asked("c")) == ["in_b", "out_b", "in_c"]


def test_nothing_of_a_deleted_response_is_left(kept, database):
    _save(kept, "a")
    kept.delete("a")
    for call in (kept.response, kept.delete, kept.asked, kept.conversation):
        with pytest.raises(NotFoundError):
            call("a")
    assert kept.item("in_a") is None
    with database.session() as session:
        assert session.query(ResponseItemRow).count() == 0


def test_a_project_sees_its_own_alone(kept, database):
    _save(kept, "a")
    with database.session() as session:
        session.add(ProjectRow(id="other", created_at=1))
    other = ResponseStore(database, "other")
    assert other.item("in_a") is None
    _save(other, "b", "a")
    for call in (other.response, other.delete, other.conversation):
        with pytest.raises(NotFoundError):
            call("a")
    with pytest.raises(NotFoundError):
        other.conversation("b")
    assert kept.item("out_a") == {"id": "out_a", "type": "message"}
