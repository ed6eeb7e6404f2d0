"""What the gateway adds to the time to the first token. Run by `make bench`.

An upstream that answers at once stands where Ray Serve is, in a process of its own, so that nothing is
measured but the gateway: its real process, with a real home behind it.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.plan import plan_platform
from tunesmith.records import DEFAULT_PROJECT
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore, ensure_admin_key
from tunesmith.stores.platform_file import write_running

CHUNKS, NUM_REQUESTS = 16, 300
UPSTREAM = f"""
import sys, uvicorn
CHUNK = b'data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":' \\
        b'[{{"index":0,"delta":{{"content":"word "}},"finish_reason":null}}]}}\\n\\n'
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}})
    for _ in range({CHUNKS}):
        await send({{"type": "http.response.body", "body": CHUNK, "more_body": True}})
    await send({{"type": "http.response.body", "body": b"data: [DONE]\\n\\n"}})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", lifespan="off")
"""
BODY = {"model": "tiny-reader", "messages": [{"role": "user", "content": "How many days?"}], "stream": True}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("concurrency", [1, 16])
def test_gateway(tmp_path: Path, concurrency: int) -> None:
    home = Home(tmp_path)
    database = open_home_database(home)
    headers = {"Authorization": f"Bearer {ensure_admin_key(home, KeyStore(database), DEFAULT_PROJECT)}"}
    database.close()
    platform = replace(plan_platform(home, ServeConfig(port=0)), model="tiny-reader")
    shutil.rmtree(platform.ray_temp_dir, ignore_errors=True)
    write_running(platform)
    upstream = [sys.executable, "-c", UPSTREAM, str(platform.ports["serve"])]
    gateway = [sys.executable, "-m", "tunesmith.gateway", "--home", str(home.root)]
    with ExitStack() as running:
        running.enter_context(_running(upstream, platform.serve_url))
        started = time.perf_counter()
        process = running.enter_context(_running(gateway, platform.base_url))
        ready = time.perf_counter() - started, _cpu_seconds(process)
        direct = asyncio.run(_measure(f"{platform.serve_url}/engine", {}, concurrency))
        before = _cpu_seconds(process)
        through = asyncio.run(_measure(f"{platform.base_url}/chat/completions", headers, concurrency))
        _report(concurrency, direct, through)
        cpu = (_cpu_seconds(process) - before) / NUM_REQUESTS * 1000
        memory = psutil.Process(process.pid).memory_full_info().uss / 2**20
        print(f"gateway: {cpu:.2f} ms of CPU a request of {CHUNKS} chunks, {memory:.0f} MiB")
        print(f"gateway: answers {ready[0]:.1f} s after its start, {ready[1]:.1f} s of CPU")


async def _measure(
    url: str, headers: dict[str, str], concurrency: int, num_requests: int = 300
) -> list[float]:
    """Milliseconds until the first event of each request, warm."""
    times: list[float] = []
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:

        async def work() -> None:
            while len(times) < NUM_REQUESTS:
                began = time.perf_counter()
                async with client.stream("POST", url, json=BODY) as response:
                    arrivals = [
                        time.perf_counter()
                        async for line in response.aiter_lines()
                        if line.startswith("data")
                    ]
                assert len(arrivals) == CHUNKS + 1
                times.append((arrivals[0] - began) * 1000)

        await asyncio.gather(*(work() for _ in range(concurrency)))
    return times[50:]


def _report(concurrency: int, direct: list[float], through: list[float]) -> None:
    for name, times in (("upstream", direct), ("gateway", through)):
        tenths = statistics.quantiles(times, n=10)
        print(
            f"\nconcurrency {concurrency:2}  {name:8}  first token p50 {tenths[4]:6.2f}  p90 {tenths[8]:6.2f} ms"
        )


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


@contextmanager
def _running(command: list[str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 60
        while not _answers(url):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(15)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code > 0
    except httpx.HTTPError:
        return False
