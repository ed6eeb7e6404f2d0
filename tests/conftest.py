"""What every test stands on: no model hub, a long limit for real engines, and no process left behind."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psutil
import pytest

FLOW_LIMIT_SECONDS = 600
GRACE_SECONDS = 20.0
MARK = "TUNESMITH_TEST_SESSION"

# On a machine that does other things too, how long one example takes says nothing.
hypothesis.settings.register_profile("shared-machine", deadline=None)
hypothesis.settings.load_profile("shared-machine")

os.environ["HF_HUB_OFFLINE"] = "1"
# Inherited by every process a test starts, and by theirs, also when they leave our process group.
os.environ[MARK] = uuid.uuid4().hex
_EXTENSIONS = tempfile.TemporaryDirectory(prefix="tunesmith-extensions-")
os.environ["TORCH_EXTENSIONS_DIR"] = _EXTENSIONS.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that start real engines the longer limit."""
    for item in items:
        if item.get_closest_marker("flow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(FLOW_LIMIT_SECONDS))


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Fail the session if anything it started still runs when it ends; end it by its id."""
    yield
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := _started_here()) and time.monotonic() < deadline:
        time.sleep(0.5)
    told = [_describe(process) for process in left]
    for process in left:
        process.kill()
    assert not told, "processes left behind (ended now):\n" + "\n".join(told)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_compiled() -> Iterator[None]:
    """Fail the session if an engine compiled an extension: that takes minutes, and a compiler no user was asked for."""
    yield
    compiled = sorted(path.name for path in Path(_EXTENSIONS.name).rglob("*.so"))
    assert not compiled


def _started_here() -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _bears_the_mark(process)
    ]


def _bears_the_mark(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == os.environ[MARK]
    except psutil.Error:
        return False


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid}: {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return f"{process.pid}: ended just now"
