"""How much a gateway holds of a file that goes through it: a gateway in a process of its own, watched from outside."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from s3_server import running_s3
from throttle import throttled

from tunesmith.config.home import Home
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore

MIB = 2**20
_ROOT = Path(__file__).parents[2]
_RUNNER = _ROOT / "tests" / "api" / "gateway_runner.py"


@dataclass(frozen=True)
class Held:
    """What was seen.

    Attributes:
        before_mib: what the gateway and all that it started held before the file came.
        peak_mib: the most that they held while it came and went.
        seconds: how long it took to come.
    """

    before_mib: float
    peak_mib: float
    seconds: float

    @property
    def added_mib(self) -> float:
        """What the file added."""
        return self.peak_mib - self.before_mib

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"sent in {self.seconds:.0f} s, {self.before_mib:.0f} MiB before, {self.peak_mib:.0f} MiB at most: "
            f"{self.added_mib:.0f} MiB added"
        )


def measure_upload(home: Path, size_mib: int, environment: Mapping[str, str] | None = None) -> Held:
    """Send a file to a gateway on a new home, and fetch it again, byte for byte.

    Args:
        home: a folder of its own.
        size_mib: the file.
        environment: what the gateway is told besides: which object store.

    Returns:
        What the gateway held meanwhile.
    """
    database = open_home_database(Home(home))
    key = KeyStore(database).create("default", "test")
    database.close()
    with _gateway(home, environment or {}) as (url, pid), _client(url, key) as http:
        # What the first request loads does not count.
        assert http.post("/v1/files", content=_form(1)).status_code == 200
        before = _held_mib(pid)
        with _watched(pid) as peak:
            seconds = _send_and_fetch(http, size_mib)
    return Held(before, max(before, *peak), seconds)


@contextmanager
def throttled_bucket(mib_per_second: float) -> Iterator[Mapping[str, str]]:
    """A real S3 server behind a slow line; gives the environment that a gateway finds it with."""
    with running_s3() as (bucket, environment):
        address = environment["AWS_ENDPOINT_URL"].removeprefix("http://")
        with throttled(address, bytes_per_second=mib_per_second * MIB) as slow:
            yield {**environment, "AWS_ENDPOINT_URL": f"http://{slow}", "TUNESMITH_OBJECTS_URL": bucket}


@contextmanager
def _gateway(home: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    told = {**os.environ, "PYTHONPATH": str(_ROOT / "platform"), **environment}
    command = [sys.executable, str(_RUNNER), str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=told) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}", process.pid
        finally:
            process.terminate()


def _client(url: str, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "multipart/form-data; boundary=b"}
    return httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False)


def _held_mib(pid: int) -> float:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(member.memory_info().rss for member in family) / MIB


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """Look twenty times a second while the block runs."""
    seen, ended = [_held_mib(pid)], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            seen.append(_held_mib(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _pieces(size_mib: int) -> Iterator[bytes]:
    """A MiB at a time, no two alike."""
    for number in range(size_mib):
        yield number.to_bytes(8, "big") * (MIB // 8)


def _form(size_mib: int) -> Iterator[bytes]:
    yield b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
    yield from _pieces(size_mib)
    yield b"\r\n--b--\r\n"


def _send_and_fetch(http: httpx.Client, size_mib: int) -> float:
    began = time.monotonic()
    answer = http.post("/v1/files", content=_form(size_mib))
    seconds = time.monotonic() - began
    made = answer.json()
    assert (answer.status_code, made.get("bytes")) == (200, size_mib * MIB), made
    sent, fetched = hashlib.sha256(), hashlib.sha256()
    for piece in _pieces(size_mib):
        sent.update(piece)
    with http.stream("GET", f"/v1/files/{made['id']}/content") as content:
        for piece in content.iter_bytes(MIB):
            fetched.update(piece)
    assert fetched.digest() == sent.digest()
    return seconds
