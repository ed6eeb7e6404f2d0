"""A real S3 server of its own for tests: rclone on a temporary folder, on a free port, reached through s3fs."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 60
_BUCKET = "tunesmith"


@contextmanager
def running_s3() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Run a server; gives the URL of a bucket, and the environment that finds it."""
    with tempfile.TemporaryDirectory(prefix="ts-s3-", dir="/tmp") as folder, socket.socket() as listener:
        (Path(folder) / "data" / _BUCKET).mkdir(parents=True)
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        rclone = [
            str(Path(sys.executable).parent / "rclone"),
            "serve",
            "s3",
            f"{folder}/data",
            "--addr",
            address,
        ]
        log = Path(folder) / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [*rclone, "--auth-key", "access,secret-of-a-test", "--config", "/dev/null"],
                stdout=output,
                stderr=output,
            )
        try:
            _wait(server, address, log)
            yield (
                f"s3://{_BUCKET}",
                {
                    "AWS_ENDPOINT_URL": f"http://{address}",
                    "AWS_ACCESS_KEY_ID": "access",
                    "AWS_SECRET_ACCESS_KEY": "secret-of-a-test",
                    "AWS_DEFAULT_REGION": "us-east-1",
                    # Newer clients sign checksums at the end of a body, which this server does not read.
                    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
                    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
                },
            )
        finally:
            server.terminate()
            server.wait(20)


def _wait(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return
