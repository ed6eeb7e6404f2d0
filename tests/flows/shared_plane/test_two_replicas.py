"""Ten adapters on two replicas of one engine, behind the gateway; one replica is killed while both answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import openai
import psutil
import pytest
import uvicorn
from serving_plane import NUM_TOKENS, QUESTION, Plane, free_port, wait_until
from tiny_llama import greedy

from tunesmith.gateway.app import build_app
from tunesmith.gateway.replicas import Replicas
from tunesmith.gateway.upstream import Upstream
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.objects import ObjectStore

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(600)]

NUM_ADAPTERS = 10
ROUNDS = 12


@dataclass(frozen=True)
class Served:
    """Two replicas, a gateway that asks them itself and one that asks Serve's proxy, and what each adapter says."""

    plane: Plane
    clients: dict[str, openai.OpenAI]
    says: dict[str, str]


@pytest.fixture(scope="module")
def served(one_plane: Plane) -> Iterator[Served]:
    """Two replicas, ten adapters, two gateways."""
    one_plane.scale(2)
    assert one_plane.engine.max_loras < NUM_ADAPTERS, "the least recently used leave, and come back"
    says = dict(_register(one_plane, number) for number in range(NUM_ADAPTERS))
    for url in one_plane.replicas().replicas["/engine"]:
        assert httpx.get(f"{url}/engine/health", timeout=30).status_code == 200, (
            "else the proxy stands in for it"
        )
    with _gateway(one_plane, Replicas(one_plane.replicas)) as direct, _gateway(one_plane, None) as proxied:
        yield Served(one_plane, {"replicas": direct, "proxy": proxied}, says)


def _register(plane: Plane, number: int) -> tuple[str, str]:
    name = f"ft:{plane.model}:acme:a{number}:{100 + number:06}"
    folder = plane.register(name, seed=100 + number)
    return name, greedy(plane.base, QUESTION, max_tokens=NUM_TOKENS, adapter=folder)


@contextmanager
def _gateway(plane: Plane, replicas: Replicas | None) -> Iterator[openai.OpenAI]:
    database = open_home_database(plane.home)
    app = build_app(
        database=database,
        objects=ObjectStore(f"file://{plane.home.objects}"),
        upstream=Upstream(plane.url, replicas=replicas),
        base=plane.model,
        embedder="all-MiniLM-L6-v2",
        readiness=lambda: None,
    )
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    url, key = f"http://127.0.0.1:{port}/v1", KeyStore(database).create("acme", "test")
    try:
        yield openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=120)
    finally:
        server.should_exit = True
        thread.join()
        database.close()


@pytest.mark.parametrize("way", ["replicas", "proxy"])
def test_ten_adapters_answer_interleaved_each_as_itself(served: Served, way: str) -> None:
    assert len(set(served.says.values())) == NUM_ADAPTERS, "each of them says something else"
    names = list(served.says) * 3
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda name: _complete(served.clients[way], name), names))
    assert said == [served.says[name] for name in names]


@pytest.mark.parametrize("way", ["replicas", "proxy"])
def test_a_replica_killed_under_load_takes_nothing_with_it_that_had_not_begun(
    served: Served, way: str
) -> None:
    client = served.clients[way]
    # A replica that was killed comes back.
    wait_until(lambda: served.plane.num_listening() == 2, seconds=240)
    names = list(served.says) * ROUNDS
    began = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        whole = pool.map(lambda name: _noting(began, lambda: _complete(client, name)), names)
        streamed = pool.map(lambda name: _stream(client, name), names)
        assert began.wait(60)
        _replicas()[0].kill()
        assert list(whole) == [served.says[name] for name in names]
        for name, (text, error) in zip(names, streamed, strict=True):
            expected = served.says[name]
            if error is None:
                assert text == expected
            else:
                assert text, "what had not begun is begun again"
                assert expected.startswith(text)
                assert error["type"] == "server_error"


def _complete(client: openai.OpenAI, name: str) -> str | None:
    answer = client.chat.completions.create(
        model=name, messages=QUESTION, temperature=0, max_tokens=NUM_TOKENS
    )
    return answer.choices[0].message.content


def _stream(client: openai.OpenAI, name: str) -> tuple[str, dict[str, str] | None]:
    said = []
    stream = client.chat.completions.create(
        model=name, messages=QUESTION, temperature=0, max_tokens=NUM_TOKENS, stream=True
    )
    try:
        said.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    except openai.APIError as error:
        return "".join(said), error.body
    return "".join(said), None


def _noting(began: threading.Event, ask: Callable[[], str | None]) -> str | None:
    said = ask()
    began.set()
    return said


def _replicas() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if " ".join(process.cmdline()).startswith("ray::ServeReplica:engine:engine"):
                found.append(process)
        except psutil.Error:
            continue
    return found
