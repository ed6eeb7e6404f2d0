"""A file larger than the gateway may hold: 300 MiB in, and out again, through a gateway in a process of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tunesmith.stores.database import Database
from tunesmith.stores.keys import KeyStore

MIB = 2**20
FILE_MIB = 300
MAY_GROW_MIB = 100
RUNNER = Path(__file__).with_name("gateway_runner.py")


@pytest.fixture
def gateway(tmp_path: Path, database: Database) -> Iterator[tuple[str, psutil.Process]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "platform")}
    command = [sys.executable, str(RUNNER), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}", psutil.Process(process.pid)
        process.terminate()


class PeakMemory:
    """The most memory that a process was seen to hold, MiB."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.mib = 0.0
        self.look()

    def look(self) -> None:
        self.mib = max(self.mib, self._process.memory_info().rss / MIB)


def form(size_mib: int, peak: PeakMemory) -> Iterator[bytes]:
    yield b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
    piece = bytes(MIB)
    for _ in range(size_mib):
        peak.look()
        yield piece
    yield b"\r\n--b--\r\n"


def test_a_large_file_is_never_held(
    gateway: tuple[str, psutil.Process], database: Database, tmp_path: Path
) -> None:
    url, process = gateway
    headers = {
        "Authorization": f"Bearer {KeyStore(database).create('default', 'test')}",
        "Content-Type": "multipart/form-data; boundary=b",
    }
    with httpx.Client(base_url=url, headers=headers, timeout=100, trust_env=False) as http:
        peak = PeakMemory(process)
        # What the first request loads does not count.
        assert http.post("/v1/files", content=form(1, peak)).status_code == 200
        before = PeakMemory(process).mib
        made = http.post("/v1/files", content=form(FILE_MIB, peak)).json()
        assert made["bytes"] == FILE_MIB * MIB
        digest = hashlib.sha256()
        with http.stream("GET", f"/v1/files/{made['id']}/content") as answer:
            for piece in answer.iter_bytes(MIB):
                peak.look()
                digest.update(piece)
        assert digest.digest() == hashlib.sha256(bytes(FILE_MIB * MIB)).digest()
    print(f"{before:.0f} MiB before, {peak.mib:.0f} MiB at most")
    assert peak.mib - before < MAY_GROW_MIB
