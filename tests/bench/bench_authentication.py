"""What a key, a role and a limit cost a request that is let through. Run by `make bench`."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import pytest
from starlette.requests import Request

from tunesmith.config.home import Home
from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.limits import Limiter
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.limits import Limits, LimitStore

NUM_REQUESTS = 20_000
MOST_MS = 0.2


@pytest.mark.parametrize("limits", [Limits(), Limits(10**9, 10**9)], ids=["no limit", "two limits"])
def test_authentication(tmp_path: Path, limits: Limits) -> None:
    database = open_home_database(Home(tmp_path))
    secret = KeyStore(database).create("default", "bench")
    authenticate = Authenticator(KeyStore(database), Limiter(LimitStore(database, limits)))
    needs = authenticate.needs("use", limited=True)
    headers = [(b"authorization", f"Bearer {secret}".encode()), (b"host", b"localhost")]

    async def measure() -> tuple[list[float], float]:
        times: list[float] = []
        used = time.thread_time()
        for _ in range(NUM_REQUESTS):
            scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers}
            began = time.perf_counter()
            await needs(Request(scope))
            times.append((time.perf_counter() - began) * 1000)
        return times, (time.thread_time() - used) / NUM_REQUESTS * 1000

    times, processor = asyncio.run(measure())
    parts = statistics.quantiles(times, n=100)
    print(f"\nauthentication: p50 {parts[49]:.4f} ms, p99 {parts[98]:.4f} ms, {processor:.4f} ms of CPU")
    # Of the processor: a clock on the wall would measure what else this machine does.
    assert processor < MOST_MS
    database.close()
