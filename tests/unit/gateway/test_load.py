"""More than can be done, engines that are slow, busy, gone or not there, clients that stop reading."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from in_thread import serving

from tunesmith.config.serve import LoadConfig
from tunesmith.gateway.app import build_app
from tunesmith.gateway.upstream import Upstream

from .conftest import Plane

CHAT = "/v1/chat/completions"
BODY = {"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}]}
Gateway = Callable[..., httpx.Client]


@pytest.fixture
def gateway(database, objects, plane_url, readiness, key) -> Iterator[Gateway]:
    """Starts a gateway with the given bounds; gives a client with a key."""
    with contextlib.ExitStack() as stack:

        def start(*, url: str = plane_url, **bounds: Any) -> httpx.Client:
            load = LoadConfig(**bounds)
            app = build_app(
                database=database,
                objects=objects,
                upstream=Upstream(url, load),
                base="tiny-reader",
                embedder="mini",
                readiness=readiness,
                load=load,
            )
            address = stack.enter_context(serving(app))
            headers = {"Authorization": f"Bearer {key}"}
            client = httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=20)
            return stack.enter_context(client)

        yield start


def refused(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return response.status_code, error["code"], response.headers.get("retry-after")


def in_threads(number: int, work: Callable[[], Any]) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_more_than_a_project_may_have_is_429_and_the_rest_is_answered(gateway: Gateway, plane: Plane):
    plane.pause_seconds = 1.5
    client = gateway(max_in_flight_per_project=2, max_waiting=0)
    results = in_threads(4, lambda: client.post(CHAT, json=BODY))
    assert sorted(result.status_code for result in results) == [200, 200, 429, 429]
    (first, _) = [result for result in results if result.status_code == 429]
    assert refused(first) == (429, "too_many_requests_in_flight", "1")
    text = client.get("/metrics").text
    assert 'tunesmith_errors_total{code="too_many_requests_in_flight",model="tiny-reader"' in text


def test_a_stream_holds_its_place_until_its_end_and_gives_it_back(gateway: Gateway, plane: Plane):
    plane.pause_seconds = 0.3
    client = gateway(max_in_flight=1, wait_seconds=10)
    with client.stream("POST", CHAT, json=BODY | {"stream": True}) as held:
        lines = held.iter_lines()
        next(lines)
        assert "tunesmith_requests_in_flight 1.0" in client.get("/metrics").text
        waited = in_threads(1, lambda: client.post(CHAT, json=BODY).status_code)
        assert waited == [200]
        assert list(lines)[-2] == "data: [DONE]"
    assert "tunesmith_requests_in_flight 0.0" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((503, "Request dropped due to backpressure (num_queued_requests=64)."), ("overloaded", "1")),
        ((503, {"error": {"message": "x", "code": "overloaded"}}), ("overloaded", "1")),
        ((503, {"error": {"message": "Engine core died: secret", "code": 503}}), ("unavailable", "2")),
        ((500, "Internal Server Error"), ("unavailable", "2")),
        ((404, "Path '/engine/v1' not found."), ("unavailable", "2")),
    ],
)
def test_an_engine_that_is_full_failing_or_not_deployed_is_503(gateway, plane, answer, expected):
    plane.refusal = answer
    client = gateway()
    for body in (BODY, BODY | {"stream": True}):
        response = client.post(CHAT, json=body)
        assert refused(response) == (503, *expected)
        assert "secret" not in response.text


def test_an_engine_that_is_absent_is_503_at_once(gateway: Gateway):
    client = gateway(url="http://127.0.0.1:9")
    assert refused(client.post(CHAT, json=BODY)) == (503, "unavailable", "2")


def test_an_engine_that_restarts_while_it_answers_is_503(gateway: Gateway):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def hang_up() -> None:
            with contextlib.suppress(OSError):  # the listener is closed with the test
                while True:
                    connection, _ = listener.accept()
                    connection.recv(65536)
                    connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        client = gateway(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        response = client.post(CHAT, json=BODY)
    assert refused(response) == (503, "unavailable", "2")
    assert "went away" in response.text


def test_an_answer_that_takes_too_long_is_504_and_is_given_up(gateway: Gateway, plane: Plane):
    plane.pause_seconds = 2
    client = gateway(first_byte_seconds=0.2)
    assert refused(client.post(CHAT, json=BODY)) == (504, "timeout", None)
    assert plane.cancelled.wait(10)


@pytest.mark.parametrize("bound", [{"idle_seconds": 0.3}, {"total_seconds": 0.3}])
def test_a_stream_that_stands_still_or_never_ends_is_ended_with_an_error(gateway, plane, bound):
    plane.pause_seconds, plane.pieces = 3, 9
    text = gateway(**bound).post(CHAT, json=BODY | {"stream": True}).text
    *events, last = [line for line in text.splitlines() if line]
    assert '"content": "0 "' in events[0]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "timeout"
    assert plane.cancelled.wait(10)


def test_a_client_that_stops_reading_is_left_and_its_generation_ends(gateway: Gateway, plane: Plane):
    plane.pieces = 10**9
    client = gateway(client_seconds=0.5)
    body = json.dumps(BODY | {"stream": True}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: {client.headers['authorization']}\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port)) as silent:
        silent.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert silent.recv(10)
        assert plane.cancelled.wait(30)
    until(lambda: "tunesmith_requests_in_flight 0.0" in client.get("/metrics").text)


def test_a_request_that_stops_half_way_is_408(gateway: Gateway):
    client = gateway(client_seconds=0.3)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: {client.headers['authorization']}\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port)) as slow:
        slow.sendall(f'{head}content-length: 100\r\n\r\n{{"model"'.encode())
        answer = b""
        while b"}" not in answer and (piece := slow.recv(65536)):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"client_too_slow"' in answer


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_many_streams_at_once_all_come_to_an_end(gateway: Gateway, plane: Plane):
    client = gateway(max_in_flight=8, max_in_flight_per_project=8, max_waiting=100, wait_seconds=30)
    headers = {"authorization": client.headers["authorization"]}
    async with httpx.AsyncClient(base_url=client.base_url, headers=headers, timeout=60) as crowd:
        posts = [crowd.post(CHAT, json=BODY | {"stream": True}) for _ in range(40)]
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.text.endswith("data: [DONE]\n\n") for answer in answers)


@pytest.mark.parametrize("stream", [True, False])
def test_a_replica_that_dies_before_it_speaks_takes_no_request_with_it(gateway, plane, stream):
    plane.deaths = 2
    response = gateway().post(CHAT, json=BODY | {"stream": stream})
    assert response.status_code == 200
    assert len(plane.requests) == 3


def test_a_request_that_is_lost_every_time_is_told(gateway: Gateway, plane: Plane):
    plane.deaths = 9
    assert refused(gateway(tries=2).post(CHAT, json=BODY)) == (503, "unavailable", "2")
    assert len(plane.requests) == 2


def test_a_stream_that_breaks_before_its_first_event_is_begun_again(gateway: Gateway, plane: Plane):
    plane.broken_after = 0
    assert refused(gateway(tries=3).post(CHAT, json=BODY | {"stream": True})) == (503, "unavailable", "2")
    assert len(plane.requests) == 3
