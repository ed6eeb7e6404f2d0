from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tunesmith.config.home import Home
from tunesmith.flows.doctor import Finding, examine

README = Path(__file__).parents[3] / "README.md"


def memory_of(total_gib: float, home: Path, monkeypatch: pytest.MonkeyPatch) -> Finding:
    seen = SimpleNamespace(total=total_gib * 2**30, available=5 * 2**30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: seen)
    return next(finding for finding in examine(Home(home)) if finding.what == "memory")


def test_it_wants_the_memory_that_the_readme_wants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = memory_of(8, tmp_path, monkeypatch)
    assert found.verdict == "warn"
    assert found.detail.startswith("8 GiB, 5.0 of it available, 12 wanted")
    assert "12 GiB of memory" in README.read_text(encoding="utf-8")


def test_a_machine_of_that_size_is_enough_though_it_shows_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory_of(11.7, tmp_path, monkeypatch).verdict == "ok"
