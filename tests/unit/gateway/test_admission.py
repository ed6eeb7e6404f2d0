"""Places in the data plane: bounded over all and per project, given in turn, never lost."""

from __future__ import annotations

import asyncio

import pytest

from tunesmith.config.serve import LoadConfig
from tunesmith.errors import OverloadedError, TooManyRequestsError
from tunesmith.gateway.admission import Admission


def admission(**load) -> Admission:
    return Admission(
        LoadConfig(
            **{
                "max_in_flight": 3,
                "max_in_flight_per_project": 2,
                "max_waiting": 4,
                "wait_seconds": 5,
                **load,
            }
        )
    )


async def test_a_project_may_not_take_more_than_its_share():
    gate = admission(wait_seconds=0.01)
    for _ in range(2):
        await gate.enter("a")
    with pytest.raises(TooManyRequestsError, match="has 2 requests in flight") as refused:
        await gate.enter("a")
    assert (refused.value.http_status, refused.value.retry_after_seconds) == (429, 1)
    await gate.enter("b")
    with pytest.raises(OverloadedError) as full:
        await gate.enter("c")
    assert (full.value.http_status, full.value.code) == (503, "overloaded")
    assert gate.waiting == 0


async def test_who_has_waited_longest_comes_first_unless_its_project_is_full():
    gate = admission(max_in_flight=2)
    first, second = await gate.enter("a"), await gate.enter("a")
    order: list[str] = []

    async def come(project: str) -> None:
        place = await gate.enter(project)
        order.append(project)
        await asyncio.sleep(0)
        place.leave()

    tasks = [asyncio.create_task(come(project)) for project in ("a", "b")]
    await asyncio.sleep(0)
    assert gate.waiting == 2
    first.leave()
    second.leave()
    await asyncio.gather(*tasks)
    assert order == ["a", "b"]
    assert (gate.in_flight, gate.waiting) == (0, 0)


async def test_those_who_wait_are_bounded_and_half_of_the_places_to_wait_are_for_others():
    gate = admission(max_in_flight=1, max_waiting=2)
    await gate.enter("a")
    tasks = [asyncio.create_task(gate.enter("a"))]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await asyncio.wait_for(gate.enter("a"), 1)
    tasks.append(asyncio.create_task(gate.enter("b")))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await asyncio.wait_for(gate.enter("c"), 1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert gate.waiting == 0


async def test_a_place_given_to_one_who_goes_away_at_that_moment_is_not_lost():
    gate = admission(max_in_flight=1)
    held = await gate.enter("a")
    waiting = asyncio.create_task(gate.enter("b"))
    await asyncio.sleep(0)
    held.leave()
    held.leave()  # twice changes nothing
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert gate.in_flight == 0
