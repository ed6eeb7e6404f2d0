from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tunesmith.config.home import Home
from tunesmith.errors import StorageError
from tunesmith.ingest.progress import Silent
from tunesmith.ingest.turn import ingest_turn


class Waits(Silent):
    def __init__(self) -> None:
        self.told = threading.Event()

    def waiting(self, what: str) -> None:
        assert what == "another ingest"
        self.told.set()


def test_a_second_ingest_waits_and_says_so(tmp_path: Path) -> None:
    waits, order = Waits(), []

    def second() -> None:
        with ingest_turn(Home(tmp_path), waits):
            order.append("second")

    thread = threading.Thread(target=second)
    with ingest_turn(Home(tmp_path), Silent()):
        thread.start()
        assert waits.told.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_turn_that_fails_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ingest_turn(Home(tmp_path), Silent()):
        raise RuntimeError
    waits = Waits()
    with ingest_turn(Home(tmp_path), waits):
        assert not waits.told.is_set()


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match="cannot be written"),
        ingest_turn(Home(tmp_path / "file"), Silent()),
    ):
        pass
