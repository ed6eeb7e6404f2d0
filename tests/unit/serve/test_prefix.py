"""Which replica reads a prompt: a name for each beginning, and bounds on what one replica has to do."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.serve.prefix_key import prefix_key
from tunesmith.serve.prefix_router import within_bounds

SYSTEM = {"role": "system", "content": "You answer questions about our handbook."}
FIRST = {"role": "user", "content": "How many days of leave are there?"}


def _chat(*turns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(turns), **fields}


def test_later_turns_have_the_key_of_the_first() -> None:
    first = prefix_key(_chat(SYSTEM, FIRST))
    later = prefix_key(
        _chat(
            SYSTEM,
            FIRST,
            {"role": "assistant", "content": "27"},
            {"role": "user", "content": "And sick leave?"},
        )
    )
    assert first == later
    assert first is not None
    assert len(first) == 32


def test_parts_are_read_as_text() -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": FIRST["content"]}]}
    assert prefix_key(_chat(SYSTEM, parts)) == prefix_key(_chat(SYSTEM, FIRST))


@pytest.mark.parametrize(
    "other",
    [
        _chat(SYSTEM, {"role": "user", "content": "Who opens the gate?"}),
        _chat(FIRST),
        _chat(SYSTEM, FIRST, prompt_cache_key="tenant-7"),
        _chat(SYSTEM, FIRST, instructions="Be short."),
        {**_chat(SYSTEM, FIRST), "model": "another"},
    ],
)
def test_other_beginnings_have_other_keys(other: dict[str, Any]) -> None:
    assert prefix_key(other) != prefix_key(_chat(SYSTEM, FIRST))


def test_only_the_first_characters_of_a_long_prompt_count() -> None:
    long = "word " * 1000
    assert prefix_key({"model": "m", "prompt": long + "a"}) == prefix_key(
        {"model": "m", "prompt": long + "b"}
    )
    assert prefix_key({"model": "m", "prompt": "a" + long}) != prefix_key(
        {"model": "m", "prompt": "b" + long}
    )


@pytest.mark.parametrize(
    "body", [{"model": "m", "input": "text"}, {"messages": []}, {"messages": "x"}, {"prompt": ""}]
)
def test_what_has_no_prompt_has_no_key(body: dict[str, Any]) -> None:
    assert prefix_key(body) is None


@pytest.mark.parametrize("turn", [3, None, {"content": 4}, {"content": ["x", None]}, {"content": "\ud800"}])
def test_whatever_a_client_sends_can_be_named(turn: Any) -> None:
    prefix_key({"messages": [turn]})


def test_the_ring_decides_while_there_is_room() -> None:
    assert within_bounds("bca", {"a": 0, "b": 3, "c": 1}) == ["b", "c", "a"]


def test_a_replica_with_more_than_its_share_is_asked_last() -> None:
    assert within_bounds("bca", {"a": 2, "b": 90, "c": 4}) == ["c", "a", "b"]
    assert within_bounds("abc", {"a": 60, "b": 70, "c": 2}) == ["c", "a", "b"]
    assert within_bounds("", {}) == []


def test_shares_are_of_what_all_have_to_do() -> None:
    busy = {"a": 100, "b": 110, "c": 124}
    assert within_bounds("cba", busy) == ["c", "b", "a"], (
        "all have much to do, none more than a quarter over the mean"
    )
