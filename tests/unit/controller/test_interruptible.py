from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

from tunesmith.controller.ports import free_ports


def test_sigterm_closes_the_vector_server_cleanly(tmp_path):
    port = free_ports(("milvus",))["milvus"]
    command = [
        "milvus-lite",
        "server",
        "--data-dir",
        str(tmp_path / "v"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "tunesmith.controller.interruptible", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As in a shell's background: SIGINT is ignored there, and inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        server.terminate()
        output, _ = server.communicate(timeout=20)
    finally:
        server.kill()
    assert "Shutting down" in output
    assert server.returncode == 0


def _listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
