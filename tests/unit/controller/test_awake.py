"""Who sleeps and who wakes."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.controller.awake import BUSY_SECONDS, choose
from tunesmith.stores.bases import BaseState, State

NOW = 10_000.0
BUSY, IDLE, OLDER = 1.0, BUSY_SECONDS + 1, BUSY_SECONDS + 50


def base(name: str, state: State, unasked: float) -> BaseState:
    return BaseState(name, state, NOW - unasked)


def chosen(*bases: BaseState, max_awake: int = 2, **limits: Any) -> tuple[list[str], list[str]]:
    choice = choose(bases, now=NOW, max_awake=max_awake, **{"idle_seconds": None, **limits})
    return [one.model for one in choice.sleep], [one.model for one in choice.wake]


def test_what_is_wanted_wakes_while_there_is_room() -> None:
    assert chosen(base("a", "ready", OLDER), base("b", "wanted", BUSY)) == ([], ["b"])


def test_the_one_asked_for_longest_ago_makes_room_and_has_left_before_another_wakes() -> None:
    ready = base("a", "ready", IDLE), base("b", "ready", OLDER)
    wanted = base("c", "wanted", BUSY)
    assert chosen(*ready, wanted) == (["b"], [])
    assert chosen(ready[0], wanted, leaving=1) == ([], []), "b sleeps, and still holds its memory"
    assert chosen(ready[0], wanted) == ([], ["c"])


@pytest.mark.parametrize("state", ["ready", "starting"])
def test_what_is_in_use_is_left_alone_and_the_wanted_waits(state: State) -> None:
    assert chosen(base("a", state, BUSY), base("b", "wanted", BUSY), max_awake=1) == ([], [])


def test_idle_bases_sleep_only_where_that_is_asked_for() -> None:
    ready = base("a", "ready", IDLE), base("b", "ready", OLDER)
    assert chosen(*ready) == ([], [])
    assert chosen(*ready, idle_seconds=IDLE + 1) == (["b"], [])


def test_one_that_sleeps_anyway_makes_the_room() -> None:
    bases = base("a", "ready", IDLE), base("b", "ready", OLDER), base("c", "wanted", BUSY)
    assert chosen(*bases, idle_seconds=IDLE + 1) == (["b"], [])


def test_what_failed_is_tried_while_somebody_asks_and_configured_ones_always() -> None:
    assert chosen(base("a", "failed", BUSY)) == ([], [])
    assert chosen(base("a", "failed", IDLE)) == (["a"], [])
    assert chosen(base("a", "failed", IDLE), lasting=["a"]) == ([], [])


def test_a_request_that_was_given_up_long_ago_wakes_nothing() -> None:
    assert chosen(base("a", "wanted", 61)) == (["a"], [])


def test_fewer_places_than_bases_let_the_idle_go() -> None:
    bases = base("a", "ready", IDLE), base("b", "ready", OLDER), base("c", "ready", BUSY)
    assert chosen(*bases, max_awake=1) == (["b", "a"], [])


def fits(*bases: BaseState, free: int, needs: dict[str, int], **limits: Any) -> tuple[list[str], list[str]]:
    return chosen(*bases, max_awake=9, free=free, needs=needs, **limits)


def test_what_does_not_fit_into_the_free_memory_is_not_woken() -> None:
    wanted = base("a", "wanted", BUSY)
    assert fits(wanted, free=3, needs={"a": 3}) == ([], ["a"])
    assert fits(wanted, free=2, needs={"a": 3}) == ([], [])
    assert fits(wanted, free=-5, needs={"a": 3}) == ([], [])


def test_two_that_fit_each_but_not_together_wake_one_after_the_other() -> None:
    wanted = base("a", "wanted", 2), base("b", "wanted", 1)
    assert fits(*wanted, free=5, needs={"a": 3, "b": 3}) == ([], ["a"])
    assert fits(*wanted, free=6, needs={"a": 3, "b": 3}) == ([], ["a", "b"])


def test_one_that_does_not_fit_does_not_stand_in_the_way() -> None:
    wanted = base("large", "wanted", 2), base("small", "wanted", 1)
    assert fits(*wanted, free=5, needs={"large": 9, "small": 3}) == ([], ["small"])


def test_idle_bases_leave_for_it_one_by_one_and_only_where_that_helps() -> None:
    idle = base("a", "ready", IDLE), base("b", "ready", OLDER)
    wanted = base("c", "wanted", BUSY)
    assert fits(*idle, wanted, free=1, needs={"a": 2, "b": 2, "c": 5}) == (["b"], [])
    assert fits(idle[0], wanted, free=1, needs={"a": 2, "c": 5}, leaving=1) == ([], []), "b is still leaving"
    assert fits(*idle, wanted, free=1, needs={"a": 2, "b": 2, "c": 6}) == ([], []), "never, even without them"
    assert fits(base("a", "ready", BUSY), wanted, free=1, needs={"a": 9, "c": 5}) == ([], []), "a is in use"
