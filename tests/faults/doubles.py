"""A second gateway and a second controller of jobs beside a platform's own, on its database, as in a cluster."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import psutil
from live_platform import LivePlatform

from tunesmith.controller.plan import part_environment
from tunesmith.controller.processes import end_processes, start_process

_CONTROLLER = Path(__file__).with_name("second_controller.py")


@contextmanager
def second_gateway(platform: LivePlatform) -> Iterator[openai.OpenAI]:
    """Another gateway; yields a client of it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        words = [
            "-m",
            "tunesmith.gateway",
            "--home",
            str(platform.home.root),
            "--listen-fd",
            str(listener.fileno()),
        ]
        with _running(platform, "second-gateway", words, pass_fds=(listener.fileno(),)):
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
            yield openai.OpenAI(base_url=url, api_key=platform.key, max_retries=0, timeout=120)


@contextmanager
def second_controller(platform: LivePlatform) -> Iterator[psutil.Process]:
    """Another controller of jobs; it ends with the block, if it has not been killed."""
    with _running(platform, "second-controller", [str(_CONTROLLER), str(platform.home.root)]) as process:
        yield process


@contextmanager
def _running(
    platform: LivePlatform, part: str, words: list[str], pass_fds: tuple[int, ...] = ()
) -> Iterator[psutil.Process]:
    child: subprocess.Popen[bytes] = start_process(
        [sys.executable, "-P", *words],
        environment=part_environment(platform.record, part),
        log=platform.home.run / "logs" / f"{part}.log",
        folder=platform.home.run,
        pass_fds=pass_fds,
    )
    try:
        yield psutil.Process(child.pid)
    finally:
        end_processes([psutil.Process(child.pid)], grace_seconds=10)
        child.wait()
