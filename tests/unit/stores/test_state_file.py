from __future__ import annotations

from dataclasses import replace

import pytest

from tunesmith.stores.state_file import PartState, read_state, write_state


def test_what_is_published_is_read_again(tmp_path):
    parts = [PartState("ray", "ready"), PartState("engine", "starting", "deploying", 2)]
    written = write_state(tmp_path / "state.json", instance="abc", parts=parts)
    assert read_state(tmp_path / "state.json") == written
    assert not written.ready
    assert not written.silent
    assert replace(written, published_at=written.published_at - 60).silent


def test_ready_means_every_part_and_at_least_one(tmp_path):
    path = tmp_path / "state.json"
    assert write_state(
        path, instance="a", parts=[PartState("ray", "ready"), PartState("engine", "ready")]
    ).ready
    assert not write_state(path, instance="a", parts=[]).ready


@pytest.mark.parametrize("text", ["", "[]", '{"parts": [{"nam": 1}]}'])
def test_a_file_that_cannot_be_understood_is_no_state(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    assert read_state(tmp_path / "state.json") is None
