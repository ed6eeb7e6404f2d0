"""Events: each whole line is read once; what a killed writer tore is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.errors import StorageError
from tunesmith.jobs.events import append_event, read_events


def test_lines_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert read_events(path).events == ()
    append_event(path, "step", step=1)
    first = read_events(path)
    append_event(path, "step", step=2)
    second = read_events(path, first.cursor)
    assert [event["step"] for event in (*first.events, *second.events)] == [1, 2]
    assert read_events(path, second.cursor).events == ()


def test_half_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append_event(path, "step", step=1)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"type": "step", "st')
    batch = read_events(path)
    assert batch.cursor == len(whole)
    path.write_bytes(whole + b'{"type": "step", "step": 2}\n')
    assert [event["step"] for event in read_events(path, batch.cursor).events] == [2]


def test_writer_goes_on_after_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"type": "step", "st')
    append_event(path, "step", step=2)
    assert [event["step"] for event in read_events(path).events] == [2]


def test_full_disk_is_told() -> None:
    with pytest.raises(StorageError, match="/dev/full cannot be written"):
        append_event(Path("/dev/full"), "step", step=1)
