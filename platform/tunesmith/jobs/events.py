"""What a running attempt tells the driver: JSON lines appended to a file in the object store.

Training processes hold no database credentials. They append; the driver reads on from where it stopped,
and takes each line in once (the offset is stored in the same transaction as what the line says).

    attempt-0001/events.jsonl
      {"type": "engine", "engine": "DeepSpeedEngine", ...}
      {"type": "step", "step": 1, "values": {"loss": 3.2, ...}}
      {"type": "checkpoint", "step": 50, "path": "..."}
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.errors import StorageError


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events read from one offset on.

    Attributes:
        events: whole lines, parsed, in order.
        cursor: byte offset after the last of them.
    """

    events: tuple[Mapping[str, Any], ...]
    cursor: int


def append_event(path: Path, event_type: str, **fields: Any) -> None:
    """Append one event.

    Args:
        path: the attempt's file; made if need be.
        event_type: `waiting`, `engine`, `step`, `checkpoint`, `exported` or `failed`.
        **fields: what it says; JSON values.

    Raises:
        StorageError: the line cannot be written.
    """
    line = json.dumps({"type": event_type, "time": round(time.time(), 3), **fields}) + "\n"
    try:
        with path.open("a+b") as file:
            if _is_torn(file.fileno()):
                # A killed writer left half a line; its reader passes over it.
                line = "\n" + line
            file.write(line.encode())
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}. Free some disk space.") from error


def read_events(path: Path, cursor: int = 0) -> EventBatch:
    """Read the whole lines after an offset.

    Args:
        path: the attempt's file; one that does not exist yet holds nothing.
        cursor: byte offset of a line's start.

    Returns:
        The events, without the half line that a writer may be at; lines that a killed writer tore are passed over.
    """
    if not path.exists():
        return EventBatch((), cursor)
    with path.open("rb") as file:
        file.seek(cursor)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    events = [event for line in whole.splitlines() if (event := _parse(line)) is not None]
    return EventBatch(tuple(events), cursor + len(whole))


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _parse(line: bytes) -> Mapping[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "type" in event else None
