"""Time to the first token at concurrency 1: a bare vLLM server, `/engine` both ways, `/answer`. Run by `make bench`."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from serving_plane import QUESTION, free_port, running_plane
from tiny_llama import make_base

from tunesmith.config.serve import EngineConfig

ENGINE = EngineConfig(dtype="float32", max_num_seqs=8, max_lora_rank=8)
NUM_REQUESTS = 40


@pytest.mark.timeout(1200)
def test_first_token(tmp_path: Path) -> None:
    with _bare_vllm(make_base(tmp_path / "bare")) as (url, model):
        _report("bare vLLM", _measure(httpx.Request("POST", url, json=_body(model))))
    with running_plane(tmp_path, ENGINE) as plane:
        for name, host in (("replica", plane.replicas().replicas["/engine"][0]), ("proxy", plane.url)):
            url = f"{host}/engine/v1/chat/completions"
            _report(f"/engine, {name}", _measure(httpx.Request("POST", url, json=_body(plane.model))))
        _report("/answer", _measure(plane.ask_request(stream=True)))


def _body(model: str) -> dict[str, object]:
    return {"model": model, "messages": QUESTION, "max_tokens": 8, "temperature": 0, "stream": True}


def _measure(request: httpx.Request) -> list[float]:
    """Milliseconds until the first event with text, warm."""
    times = []
    with httpx.Client(timeout=60) as client:
        for number in range(NUM_REQUESTS + 5):
            started = time.perf_counter()
            response = client.send(request, stream=True)
            arrivals = [time.perf_counter() for line in response.iter_lines() if _has_text(line)]
            if number >= 5:
                times.append((arrivals[0] - started) * 1000)
    return times


def _has_text(line: str) -> bool:
    return '"content":"' in line and '"content":""' not in line


def _report(name: str, times: list[float]) -> None:
    p90 = statistics.quantiles(times, n=10)[-1]
    print(f"\n{name:16} first token  p50 {statistics.median(times):6.1f} ms  p90 {p90:6.1f} ms")


@contextmanager
def _bare_vllm(model: Path) -> Iterator[tuple[str, str]]:
    port = free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    flags = {"--port": port, "--host": "127.0.0.1", "--dtype": "float32", "--kv-cache-memory-bytes": 10**8}
    lora = ["--enforce-eager", "--enable-lora", "--max-lora-rank", "8", "--disable-uvicorn-access-log"]
    process = subprocess.Popen(
        [*command, *(str(part) for flag in flags.items() for part in flag), *lora],
        env={**os.environ, "OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1/chat/completions", str(model)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(f"vLLM did not start: exit code {process.poll()}")
