"""The program that calls the official Node SDK (`tests/node/surface.ts`): run, and what it tells judged."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .openapi import Spec
from .sdk_surface import LOCAL, SOCKETS, plain, second_names, served, why_not
from .streams import check_chunks, check_response_events, read_events

PYTHON_ONLY = {"files.retrieve_content", "uploads.upload_file_chunked"}
NODE_ONLY = {"chat.completions.run_tools"}


def run_node(folder: Path, *arguments: str, base_url: str, key: str) -> list[dict[str, Any]]:
    """Run a program that prints one JSON a line.

    Args:
        folder: of the programs.
        arguments: the program's file and what it takes.
        base_url: what it is pointed at.
        key: the key that it has.

    Returns:
        What it told.

    Raises:
        AssertionError: it failed.
    """
    environment = {**os.environ, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": key}
    command = [str(folder / "node_modules" / ".bin" / "tsx"), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_calls(told: Sequence[dict[str, Any]], resources: Iterable[str]) -> None:
    """See that every method of some resources was called, and that nothing of the SDK is unknown here.

    Args:
        told: lines of the program.
        resources: which had to be called.

    Raises:
        AssertionError: names the methods.
    """
    called = {plain(line["called"]) for line in told if "called" in line}
    known = {plain(method) for line in told for method in line.get("methods", ())}
    assert len(known) > 200
    assert {plain(method) for method in _of_node(served(resources))} - called == set()
    here = {plain(method) for method in _of_node(served()) | NODE_ONLY}
    assert here - known == set()
    here |= {*second_names(known), *map(plain, LOCAL)}
    elsewhere = {name for name in known - here if not name.endswith(f".{SOCKETS}")}
    assert {name for name in elsewhere if why_not(name) is None} == set()


def check_answers(told: Sequence[dict[str, Any]], spec: Spec) -> int:
    """Hold what came over the wire against the spec: bodies, error bodies, events and their order.

    Args:
        told: lines of the program.
        spec: the judge.

    Returns:
        How many streams there were.

    Raises:
        AssertionError: says what is wrong.
    """
    num_streams = 0
    for line in told:
        if "body" not in line:
            continue
        method, path = line["answer"], line["path"].removeprefix("/v1")
        if line["type"].startswith("text/event-stream"):
            num_streams += 1
            _check_stream(spec, method, path, line["body"])
        elif line["status"] >= 400 or spec.has(method, path):
            spec.check(method, path, line["status"], json.loads(line["body"]))
    return num_streams


def _check_stream(spec: Spec, method: str, path: str, body: str) -> None:
    events = read_events(body.encode())
    if path == "/responses":
        check_response_events(events)
    else:
        check_chunks(events, usage=bool(events[-1].get("usage")))
    for event in events:
        spec.check_event(method, path, event)


def _of_node(methods: set[str]) -> set[str]:
    return methods - PYTHON_ONLY
