"""Requests for bases that sleep, start, fail or are elsewhere; the test plays the controller."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tunesmith.config.serve import ServingConfig
from tunesmith.errors import WakingError
from tunesmith.gateway import bases as gateway_bases
from tunesmith.gateway.app import build_app
from tunesmith.gateway.bases import Bases, Place
from tunesmith.gateway.upstream import Upstream
from tunesmith.serve.applications import engine_name
from tunesmith.stores.bases import BaseStates

from .conftest import Plane

TUNED = "ft:tiny-reader:default:house:0a1b2c"
ENGINE = engine_name(TUNED, default="tiny-reader")
BODY = {"model": TUNED, "messages": [{"role": "user", "content": "x"}]}
CHAT = "/v1/chat/completions"
Gateway = Callable[..., httpx.AsyncClient]


@pytest.fixture
def states(database) -> BaseStates:
    return BaseStates(database)


@pytest.fixture
async def gateway(database, objects, plane_url, readiness, key, states, register) -> AsyncIterator[Gateway]:
    """Starts a gateway with the given policy; gives a client with a key."""
    register(TUNED, kind="full")
    async with contextlib.AsyncExitStack() as stack:

        def start(*, max_waiting: int = 64, **policy: Any) -> httpx.AsyncClient:
            bases = Bases(
                place=lambda base: Place(engine=engine_name(base, default="tiny-reader")),
                states=states,
                config=ServingConfig(**policy),
                max_waiting=max_waiting,
            )
            upstream = Upstream(plane_url, bases=bases)
            stack.push_async_callback(upstream.close)
            app = build_app(
                database=database,
                objects=objects,
                upstream=upstream,
                base="tiny-reader",
                embedder="mini",
                readiness=readiness,
            )
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app),
                base_url="http://gateway",
                headers={"Authorization": f"Bearer {key}"},
                timeout=20,
            )
            stack.push_async_callback(client.aclose)
            return client

        yield start


def ready(states: BaseStates, model: str = TUNED) -> None:
    states.ask(model)
    states.tell(model, "ready")


def told(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return response.status_code, error["code"], response.headers.get("retry-after")


async def test_a_request_waits_until_its_base_is_ready_and_reaches_its_own_engine(
    gateway, states, plane: Plane
):
    client = gateway()
    asked = asyncio.create_task(client.post(CHAT, json=BODY))
    while not states.all():
        await asyncio.sleep(0.01)
    assert [(base.model, base.state) for base in states.all()] == [(TUNED, "wanted")]
    assert plane.requests == []
    states.tell(TUNED, "ready")
    answer = await asked
    assert (answer.status_code, answer.json()["model"]) == (200, TUNED)
    assert [path for path, _ in plane.requests] == [f"/{ENGINE}{CHAT}"]


async def test_by_the_other_policy_it_is_503_with_retry_after_and_the_base_is_called(gateway, states):
    response = await gateway(on_the_way="refuse").post(CHAT, json=BODY)
    assert told(response) == (503, "model_starting", "10")
    assert states.all()[0].state == "wanted"


@pytest.mark.parametrize("stream", [False, True])
async def test_who_has_waited_long_enough_gets_the_503(gateway, stream: bool):
    response = await gateway(wait_seconds=0.2).post(CHAT, json={**BODY, "stream": stream})
    assert told(response) == (503, "model_starting", "10")
    assert "0.2 s" in response.text


async def test_a_base_that_cannot_be_started_is_503_and_says_so(gateway, states):
    states.ask(TUNED)
    states.tell(TUNED, "failed")
    response = await gateway().post(CHAT, json=BODY)
    assert told(response) == (503, "unavailable", "2")
    assert "cannot be started" in response.text


async def test_a_crowd_waits_outside_and_others_are_answered(gateway, states, plane: Plane):
    ready(states, "tiny-reader")
    client = gateway(max_waiting=2, wait_seconds=5)
    crowd = [asyncio.create_task(client.post(CHAT, json=BODY)) for _ in range(3)]
    done, waiting = await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
    assert [told(task.result()) for task in done] == [(503, "overloaded", "1")]
    other = await client.post(CHAT, json={**BODY, "model": "tiny-reader"})
    assert other.status_code == 200
    states.tell(TUNED, "ready")
    assert {(await task).status_code for task in waiting} == {200}


async def test_answers_from_documents_name_the_engine_and_no_client_does(gateway, states, plane, store):
    ready(states)
    body = {**BODY, "vector_stores": [store.name], "engine": "engine-of-another"}
    response = await gateway().post(CHAT, json=body)
    assert response.status_code == 200, response.text
    assert [(path, body["engine"]) for path, body in plane.requests] == [(f"/answer{CHAT}", ENGINE)]


async def test_a_base_is_kept_awake_under_an_answer_and_no_longer(gateway, states, plane, monkeypatch):
    monkeypatch.setattr(gateway_bases, "_BEAT_SECONDS", 0.1)
    ready(states)
    plane.pause_seconds = 0.5
    asked = asyncio.create_task(gateway().post(CHAT, json=BODY))
    await asyncio.sleep(0.25)
    seen = states.all()[0]
    await asyncio.sleep(0.2)
    assert states.all()[0].asked_at > seen.asked_at, "asked for while it answers"
    assert (await asked).status_code == 200
    await asyncio.sleep(0.15)
    seen = states.all()[0]
    await asyncio.sleep(0.25)
    assert states.let_sleep(seen), "nobody has asked since"


async def test_who_gives_up_is_not_counted_as_waiting(states):
    bases = Bases(place=lambda _: Place(), states=states, config=ServingConfig(), max_waiting=1)
    for _ in range(3):
        waiting = asyncio.create_task(bases.attend(TUNED))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    last = Bases(place=lambda _: Place(), states=states, config=ServingConfig(wait_seconds=0.1))
    with pytest.raises(WakingError):
        await last.attend(TUNED)
    states.tell(TUNED, "ready")
    assert await bases.attend(TUNED) == Place()
    await bases.close()
    await last.close()


async def test_bases_that_never_sleep_are_not_asked_for(states):
    bases = Bases(
        place=lambda base: Place(f"http://{base}:8000"), states=states, config=ServingConfig(), always=["a"]
    )
    place = await bases.attend("a")
    assert place.direct(f"/engine{CHAT}", {}) == (f"http://a:8000/engine{CHAT}", {})
    assert place.direct(f"/answer{CHAT}", {"x": 1})[1] == {"x": 1, "engine": "engine"}
    assert states.all() == []
    bases.leave("a")


def test_asking_costs_one_write_in_five_seconds(states, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(states, "ask", lambda model, ask=states.ask: asked.append(model) or ask(model))
    ready(states)
    asked.clear()

    async def many() -> None:
        bases = Bases(place=lambda _: Place(), states=states, config=ServingConfig())
        for _ in range(50):
            await bases.attend(TUNED)
            bases.leave(TUNED)
        await bases.close()

    began = time.monotonic()
    asyncio.run(many())
    assert time.monotonic() - began < 5
    assert asked == [TUNED]
