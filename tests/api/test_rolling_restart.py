"""The gateway replaced while it is busy: no request refused, cut or failed; and what it does when it is told to end."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from in_thread import serving
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from tunesmith.config.home import Home
from tunesmith.config.serve import LoadConfig, ServeConfig
from tunesmith.controller.plan import plan_parts, plan_platform
from tunesmith.controller.processes import sweep
from tunesmith.controller.supervise import Supervised
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import Database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.platform_file import RunningPlatform, write_running

CHUNK = 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n'
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
BODY = {"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}]}
PIECES = 10


async def answer(request: Any) -> Any:
    if not (await request.json()).get("stream"):
        await asyncio.sleep(0.05)
        return JSONResponse(ANSWER)

    async def events() -> Any:
        for _ in range(PIECES):
            yield CHUNK
            await asyncio.sleep(0.1)
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@pytest.fixture
def platform(tmp_path: Path, migrated: Path) -> Iterator[RunningPlatform]:
    """A home with a record and a data plane that answers; no process runs on it yet."""
    home = Home(tmp_path)
    shutil.copy(migrated, tmp_path)
    with serving(Starlette(routes=[Route("/engine/v1/chat/completions", answer, methods=["POST"])])) as url:
        config = ServeConfig(port=0, load=LoadConfig(linger_seconds=2, drain_seconds=20))
        planned = plan_platform(home, config)
        shutil.rmtree(planned.ray_temp_dir, ignore_errors=True)
        planned = replace(planned, model="tiny-reader", serve_url=url)
        write_running(planned)
        yield planned
        sweep(home.root, grace_seconds=1)


@pytest.fixture
def key(platform: RunningPlatform) -> str:
    database = Database(Home(platform.home).database_url)
    made = KeyStore(database).create("default", "test")
    BaseStates(database).ensure("tiny-reader", "ready")  # the controller's word, were there one
    database.close()
    return made


def gateway_part(platform: RunningPlatform) -> Supervised:
    (part,) = [part for part in plan_parts(platform) if part.name == "gateway"]
    return Supervised(part)


class Crowd:
    """Clients that ask without a pause and try nothing twice."""

    def __init__(self, platform: RunningPlatform, key: str) -> None:
        self.seen: Counter[str] = Counter()
        self._url, self._headers = platform.base_url, {"Authorization": f"Bearer {key}"}
        self._stop = threading.Event()
        kinds = [(stream, keep) for stream in (False, True) for keep in (False, True)] * 2
        self._threads = [threading.Thread(target=self._ask, args=kind) for kind in kinds]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, stream: bool, keep: bool) -> None:
        headers = self._headers | ({} if keep else {"Connection": "close"})
        with httpx.Client(base_url=self._url, headers=headers, trust_env=False, timeout=60) as client:
            while not self._stop.is_set():
                self.seen[self._once(client, stream)] += 1

    def _once(self, client: httpx.Client, stream: bool) -> str:
        try:
            response = client.post("/chat/completions", json=BODY | {"stream": stream})
        except httpx.HTTPError as error:
            return repr(error)
        whole = response.text.count("data: ") == PIECES + 1 if stream else response.is_success
        return "answered" if whole else f"{response.status_code} {response.text[-200:]}"


def tick_until(gateway: Supervised, true: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true(gateway.tick()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_gateway_is_replaced_twice_under_load_and_no_request_fails(platform, key):
    gateway = gateway_part(platform)
    tick_until(gateway, lambda state: state.condition == "ready")
    served_by = [gateway.process.pid]
    with Crowd(platform, key) as crowd:
        for _ in range(2):
            before, answered = gateway.process, crowd.seen["answered"]
            gateway.replace()
            tick_until(gateway, lambda _: gateway.process != before)  # noqa: B023
            served_by.append(gateway.process.pid)
            tick_until(gateway, lambda _: not before.alive())  # noqa: B023
            # The new one answers, not merely nobody fails.
            tick_until(gateway, lambda _: crowd.seen["answered"] > answered + 8)  # noqa: B023
    gateway.stop()
    assert set(crowd.seen) == {"answered"}
    assert len(set(served_by)) == 3


def test_a_killed_gateway_costs_its_own_requests_and_refuses_no_other(platform, key):
    gateway = gateway_part(platform)
    tick_until(gateway, lambda state: state.condition == "ready")
    gateway._child.kill()
    gateway._child.wait()
    # Nobody accepts now: the connection waits for the next one.
    answers: list[httpx.Response] = []
    headers = {"Authorization": f"Bearer {key}"}
    ask = threading.Thread(
        target=lambda: answers.append(
            httpx.post(f"{platform.base_url}/chat/completions", json=BODY, headers=headers, timeout=60)
        )
    )
    ask.start()
    tick_until(gateway, lambda state: state.restarts == 1 and state.condition == "ready")
    ask.join()
    assert [answer.status_code for answer in answers] == [200]
    gateway.stop()


def test_a_successor_that_cannot_start_leaves_the_gateway_in_place(platform):
    gateway = gateway_part(platform)
    tick_until(gateway, lambda state: state.condition == "ready")
    before = gateway.process
    Home(platform.home).platform_file.unlink()
    gateway.replace()
    gateway.tick()
    tick_until(gateway, lambda _: gateway._successor is None)
    assert gateway.process == before
    assert gateway.tick().condition == "ready"
    gateway.stop()


def test_a_gateway_told_to_end_says_so_goes_on_for_a_moment_and_finishes_its_streams(platform, key):
    command = [sys.executable, "-P", "-m", "tunesmith.gateway", "--home", str(platform.home)]
    process = subprocess.Popen(command)
    try:
        root = platform.base_url.removesuffix("/v1")
        deadline = time.monotonic() + 60
        while not _answers(f"{root}/healthz"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(headers=headers, trust_env=False, timeout=30) as client:
            url = f"{platform.base_url}/chat/completions"
            with client.stream("POST", url, json=BODY | {"stream": True}) as stream:
                lines = stream.iter_lines()
                next(lines)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.2)
                ending = httpx.get(f"{root}/readyz", trust_env=False)
                assert (ending.status_code, ending.json()["draining"]) == (503, True)
                assert ending.headers["connection"] == "close"
                assert [line for line in lines if line].count("data: [DONE]") == 1
        process.wait(20)
        assert not _answers(f"{root}/healthz")
    finally:
        process.kill()
        process.wait()


def test_who_still_waits_for_a_base_when_the_gateway_ends_is_told_to_come_back(platform, key):
    write_running(
        replace(platform, config={**platform.config, "load": {"linger_seconds": 0, "drain_seconds": 1}})
    )
    database = Database(Home(platform.home).database_url)
    BaseStates(database).tell("tiny-reader", "starting")
    database.close()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tunesmith.gateway", "--home", str(platform.home)]
    )
    try:
        deadline = time.monotonic() + 90
        while not _answers(f"{platform.base_url.removesuffix('/v1')}/healthz"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        told: list[httpx.Response] = []
        headers = {"Authorization": f"Bearer {key}"}
        ask = threading.Thread(
            target=lambda: told.append(
                httpx.post(f"{platform.base_url}/chat/completions", json=BODY, headers=headers, timeout=60)
            )
        )
        ask.start()
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        ask.join()
        assert [(one.status_code, one.headers["retry-after"]) for one in told] == [(503, "2")]
        assert told[0].json()["error"]["code"] == "unavailable"
        process.wait(20)
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
