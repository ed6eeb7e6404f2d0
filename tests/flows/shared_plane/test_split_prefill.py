"""Two engines for one base: one reads prompts, the other fetches what was read and answers.

NIXL, by which that is done between GPUs, is not to be had on CPUs: vLLM's own reference connector takes its place,
which leaves the cache in files.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving_plane import NUM_TOKENS, Plane, deploy, wait_until

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]

# vLLM's blocks hold 128 tokens on a CPU: what tells two prompts apart stands at their beginning.
LONG = "The canteen opens at half past eleven and closes at two. " * 12

PROMPTS = [f"At desk {number} somebody asks: {LONG} When does it open?" for number in range(4)]


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader leaves what it has read."""
    return tmp_path_factory.mktemp("caches")


@pytest.fixture(scope="module")
def unsplit(one_plane: Plane) -> list[str]:
    """What the engine says that reads its own prompts."""
    one_plane.scale(1)
    return [_ask(one_plane, prompt)[0] for prompt in PROMPTS]


@pytest.fixture(scope="module")
def plane(one_plane: Plane, caches: Path, unsplit: list[str]) -> Iterator[Plane]:
    document = copy.deepcopy(one_plane.document)
    document["applications"][0]["args"]["replicas"]["prefill"] = {
        "replicas": 1,
        "connector": "ExampleConnector",
        "connector_options": {"shared_storage_path": str(caches)},
        "patience_seconds": 2,
    }
    deploy(document, {"num_replicas": 1})
    wait_until(lambda: _reads(one_plane))
    yield one_plane
    deploy(one_plane.document, {"num_replicas": 1})
    wait_until(lambda: not _reads(one_plane))


def _reads(plane: Plane) -> bool:
    from ray import serve

    application = serve.status().applications["engine"]
    assert application.status != "DEPLOY_FAILED", application
    return application.status == "RUNNING" and "prefill" in application.deployments


def _ask(plane: Plane, content: str, **options: object) -> tuple[str, int]:
    """The answer, and how many tokens of the prompt the engine that answers did not read itself."""
    answer = plane.client.chat.completions.create(
        model=plane.model,
        messages=[{"role": "user", "content": content}],
        temperature=0,
        max_tokens=NUM_TOKENS,
        **options,  # type: ignore[call-overload]
    )
    cached = answer.usage.prompt_tokens_details.cached_tokens or 0
    return answer.choices[0].message.content, cached


def test_a_prompt_is_read_by_one_engine_and_answered_by_the_other(plane: Plane, caches: Path) -> None:
    known = set(caches.iterdir())
    answer, cached = _ask(plane, f"When does it open? {LONG}")
    assert set(caches.iterdir()) - known, "the reader has left its cache"
    assert cached > 0, "and the engine has fetched it, before it had seen the prompt"
    again, _ = _ask(plane, f"When does it open? {LONG}")
    assert again == answer


def test_what_it_says_does_not_depend_on_who_has_read(plane: Plane, unsplit: list[str]) -> None:
    said = [_ask(plane, prompt) for prompt in PROMPTS]
    assert [answer for answer, _ in said] == unsplit
    assert all(cached > 0 for _, cached in said)


def test_a_stream_and_a_completion_go_the_same_way(plane: Plane, caches: Path) -> None:
    known = set(caches.iterdir())
    stream = plane.client.chat.completions.create(
        model=plane.model,
        messages=[{"role": "user", "content": "Streamed? " + LONG}],
        max_tokens=NUM_TOKENS,
        stream=True,
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    streamed = set(caches.iterdir()) - known
    assert streamed
    plane.client.completions.create(model=plane.model, prompt="Completed? " + LONG, max_tokens=NUM_TOKENS)
    assert set(caches.iterdir()) - known - streamed


def test_retrieval_asks_the_same_engines(plane: Plane, caches: Path) -> None:
    known = set(caches.iterdir())
    assert plane.ask().status_code == 200
    assert set(caches.iterdir()) - known


def test_a_request_that_is_refused_is_refused_as_ever(plane: Plane) -> None:
    url = f"{plane.url}/engine/v1/chat/completions"
    for body in (b"{", b"[]", b'{"model": "absent", "messages": []}'):
        answer = httpx.post(url, content=body, headers={"Content-Type": "application/json"}, timeout=60)
        assert answer.status_code in (400, 404, 422)
        assert answer.json()["error"]["message"]


def test_while_nobody_reads_the_engine_reads_for_itself(plane: Plane) -> None:
    import ray
    from ray import serve

    actors = ray.util.list_named_actors(all_namespaces=True)
    readers = [actor for actor in actors if actor["name"].startswith("SERVE_REPLICA::engine#prefill#")]
    assert readers
    for reader in readers:
        ray.kill(ray.get_actor(reader["name"], namespace=reader["namespace"]))
    began = time.monotonic()
    assert _ask(plane, "Who reads now? " + LONG)[0]
    assert time.monotonic() - began < 15, "it waits for no reader to come back"
    wait_until(lambda: serve.status().applications["engine"].status == "RUNNING")
