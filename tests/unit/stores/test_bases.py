"""Bases are asked for by gateways and put to sleep by controllers, and neither overlooks the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import Database, ServedBaseRow

TUNED = "ft:tiny-reader:acme:house:0a1b2c"


@pytest.fixture
def states(metadata: Database) -> BaseStates:
    return BaseStates(metadata)


def test_the_first_request_makes_a_base_wanted_and_later_ones_keep_its_state(states: BaseStates) -> None:
    first = states.ask(TUNED)
    states.tell(TUNED, "ready")
    again = states.ask(TUNED)
    assert (first.state, again.state) == ("wanted", "ready")
    assert again.asked_at > first.asked_at


def test_a_base_that_was_asked_for_since_does_not_sleep(states: BaseStates) -> None:
    seen = states.ask(TUNED)
    states.tell(TUNED, "ready")
    asked = states.ask(TUNED)
    assert not states.let_sleep(seen)
    assert states.let_sleep(asked)
    assert states.ask(TUNED).state == "wanted", "the next request wakes it"


def test_a_base_is_idle_from_the_moment_that_it_is_ready(states: BaseStates) -> None:
    wanted = states.ask(TUNED)
    states.tell(TUNED, "starting")
    assert states.all()[0].asked_at == wanted.asked_at
    states.tell(TUNED, "ready")
    assert states.all()[0].asked_at > wanted.asked_at
    assert not states.let_sleep(wanted)


def test_what_sleeps_is_not_told_awake_by_who_did_not_notice(states: BaseStates) -> None:
    states.let_sleep(states.ask(TUNED))
    states.tell(TUNED, "ready")
    assert [base.state for base in states.all()] == ["asleep"]


def test_many_ask_at_once_for_one_that_nobody_knew(states: BaseStates) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert {base.state for base in pool.map(states.ask, [TUNED] * 24)} == {"wanted"}
    assert len(states.all()) == 1


def test_a_row_says_whose_it_is(states: BaseStates, metadata: Database) -> None:
    states.ensure("tiny-reader", "starting")
    states.ensure("tiny-reader", "asleep")
    states.ask(TUNED)
    with metadata.session() as session:
        owners = {row.model: (row.project_id, row.state) for row in session.query(ServedBaseRow)}
    assert owners == {"tiny-reader": ("", "starting"), TUNED: ("acme", "wanted")}
    states.forget(TUNED)
    assert [base.model for base in states.all()] == ["tiny-reader"]
