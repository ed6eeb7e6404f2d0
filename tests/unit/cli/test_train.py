"""`tunesmith train`: told to end, it leaves in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.train import run


@pytest.fixture
def _signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_signals_as_before")
def test_sigterm_unwinds_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ray job stop` sends it; the job is told as the stack unwinds."""
    unwound: list[bool] = []

    def stop(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            unwound.append(True)

    monkeypatch.setattr(run, "run_training", stop)
    result = CliRunner().invoke(app, ["train", "tiny/handbook-lora", "--home", str(tmp_path)])
    assert (result.exit_code, unwound) == (128 + signal.SIGTERM, [True])
