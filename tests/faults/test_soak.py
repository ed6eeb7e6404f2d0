"""The series' report: a row as soon as a case has ended, gone on with by the next call, and a word for each defect."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soak
from kills import Case, Ended
from live_platform import LivePlatform

from tunesmith.config.home import Home


class Series:
    """Runs no platform; one case of the series finds a defect."""

    def __init__(self, folder: Path, defect: int) -> None:
        self.folder, self.defect = folder, defect
        self.platforms, self.ran = 0, list[int]()

    @contextmanager
    def running_platform(self) -> Iterator[LivePlatform]:
        self.platforms += 1
        home = Home(self.folder / f"home-{self.platforms}")
        (home.run / "logs").mkdir(parents=True)
        (home.run / "logs" / "controller.log").write_text("what was met")
        yield LivePlatform("http://127.0.0.1:1/v1", "sk-none", home)
        shutil.rmtree(home.root)

    def run_case(self, _platform: LivePlatform, case: Case) -> Ended:
        self.ran.append(case.number)
        if case.number == self.defect:
            raise AssertionError("stuck: running | ['Step 3']\nfor 600 s")
        return Ended(case.victim, case.phase, ("gone", "succeeded"), 12.345)


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Series:
    made = Series(tmp_path, defect=2)
    monkeypatch.setattr(soak, "running_platform", made.running_platform)
    monkeypatch.setattr(soak, "run_case", made.run_case)
    monkeypatch.setattr(soak.signal, "signal", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    return made


def _soak(monkeypatch: pytest.MonkeyPatch, cases: int, seed: int = 5) -> int:
    words = ["soak", "--cases", str(cases), "--seed", str(seed), "--report", "soak.md"]
    monkeypatch.setattr("sys.argv", words)
    return soak.main()


def test_a_series_goes_on_where_its_report_stops(
    series: Series, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _soak(monkeypatch, 3) == 1
    assert _soak(monkeypatch, 5) == 1
    assert series.ran == [1, 2, 3, 4, 5]
    text = (tmp_path / "soak.md").read_text(encoding="utf-8")
    assert (
        "5 cases (2 of the gateway, 1 of the controller, 1 of the runner, 1 of the ray head), 4 whole" in text
    )
    rows = soak.Report(tmp_path / "soak.md", 5).rows()
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[0][-3:] == ("gone, succeeded", "12.3", "whole")
    assert rows[1][-1] == "AssertionError: stuck: running / ['Step 3'] for 600 s"


def test_after_a_defect_comes_a_fresh_platform_and_what_was_noted_stays(
    series: Series, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _soak(monkeypatch, 4)
    assert series.platforms == 2
    assert (tmp_path / "build/soak/seed-5-case-2/logs/controller.log").read_text() == "what was met"
    assert list(tmp_path.glob("home-*")) == []


def test_a_whole_series_ends_well_and_another_seed_is_another_series(
    series: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    series.defect = 0
    assert _soak(monkeypatch, 2) == 0
    assert _soak(monkeypatch, 2, seed=6) == 0
    assert series.ran == [1, 2, 1, 2]
