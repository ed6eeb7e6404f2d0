"""Two replicas behind Serve's proxy, routed by how a prompt begins: whoever read a beginning reads it again."""

from __future__ import annotations

import random
from collections.abc import Callable

import httpx
import pytest
from serving_plane import NUM_TOKENS, Plane

from tunesmith.serve.prefix_key import KEY_HEADER, prefix_key

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(600)]

CONVERSATIONS = 16
TURNS = 4


@pytest.fixture(scope="module")
def plane(one_plane: Plane) -> Plane:
    one_plane.scale(2)
    return one_plane


def test_every_later_turn_finds_what_the_first_one_left(plane: Plane) -> None:
    asked = _asked_again_and_again(lambda number: _ask_engine(plane, number))
    assert all(cached > 0 for cached in asked["again"])
    assert len(asked["again"]) == CONVERSATIONS * (TURNS - 1)


def test_the_retrieval_asks_by_prefix_too(plane: Plane) -> None:
    asked = _asked_again_and_again(lambda number: _ask_documents(plane, number))
    assert all(cached > 0 for cached in asked["again"])


def test_both_replicas_have_read_something(plane: Plane) -> None:
    keys = {prefix_key(_body(plane, number)) for number in range(CONVERSATIONS)}
    assert len(keys) == CONVERSATIONS
    _asked_again_and_again(lambda number: _ask_engine(plane, number))
    replicas = plane.replicas().replicas["/engine"]
    assert len(replicas) == 2
    assert all(_prompt_tokens(url) > 0 for url in replicas)


def _asked_again_and_again(ask: Callable[[int], int]) -> dict[str, list[int]]:
    """Cached tokens of each conversation's first turn and of the later ones, the conversations interleaved."""
    order = [number for number in range(CONVERSATIONS) for _ in range(TURNS)]
    random.Random(3).shuffle(order)
    cached: dict[str, list[int]] = {"first": [], "again": []}
    begun = set[int]()
    for number in order:
        cached["again" if number in begun else "first"].append(ask(number))
        begun.add(number)
    return cached


def _body(plane: Plane, number: int) -> dict[str, object]:
    system = (
        f"You answer for desk {number}. " + f"Desk {number} answers the question from numbered sources. " * 12
    )
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": f"Who keeps desk {number}?"},
    ]
    return {"model": plane.model, "messages": messages}


def _prompt_tokens(replica: str) -> float:
    lines = httpx.get(f"{replica}/engine/metrics", timeout=10).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("vllm:prompt_tokens_total"))


def _ask_engine(plane: Plane, number: int) -> int:
    body = _body(plane, number)
    answer = plane.client.chat.completions.create(
        **body, max_tokens=NUM_TOKENS, extra_headers={KEY_HEADER: prefix_key(body)}
    )
    return answer.usage.prompt_tokens_details.cached_tokens or 0


def _ask_documents(plane: Plane, number: int) -> int:
    instructions = f"Desk {number}: answer the question from the numbered sources. " * 12
    answer = plane.ask(instructions=instructions).json()
    return (answer["usage"].get("prompt_tokens_details") or {}).get("cached_tokens") or 0
