"""A real Postgres of its own for tests: in a temporary folder, on a free port, without the wait for the disk.

The programs are those of the PATH, else of the newest version below /usr/lib/postgresql (Debian) or /usr/pgsql-*
(Red Hat).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

_START_SECONDS = 60


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None where there is none on this machine."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    return max(
        versions, key=lambda path: int(path.parent.name.rpartition("-")[2].partition(".")[0]), default=None
    )


@contextmanager
def running_postgres(programs: Path, address: str = "127.0.0.1") -> Iterator[str]:
    """Run a server at an address of this machine; gives the URL of its database, whose user may do everything."""
    folder = Path(tempfile.mkdtemp(prefix="ts-pg-", dir="/tmp"))
    data = folder / "data"
    try:
        who = _another_user(folder)
        initdb = [
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            "tunesmith",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-N",
        ]
        subprocess.run(
            [*initdb, "--no-instructions", "--locale=C"], check=True, capture_output=True, cwd=folder, **who
        )
        with (data / "pg_hba.conf").open("a", encoding="ascii") as rules:
            rules.write("host all all samenet trust\n")
        port = _free_port(address)
        options = {"listen_addresses": address, "port": str(port), "unix_socket_directories": ""}
        options |= {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "200",
        }
        command = [str(programs / "postgres"), "-D", str(data)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **who)
        try:
            yield _wait(server, f"postgresql://tunesmith@{address}:{port}/postgres", folder / "log")
        finally:
            server.send_signal(2)  # fast: whoever is still connected is cut off
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _another_user(folder: Path) -> dict[str, Any]:
    """Postgres refuses to run as root: then it runs as nobody."""
    if os.geteuid() != 0:
        return {}
    shutil.chown(folder, "nobody")
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


def _free_port(address: str) -> int:
    with socket.socket() as listener:
        listener.bind((address, 0))
        return int(listener.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return url
