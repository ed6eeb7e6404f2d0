"""What the controller publishes about the running platform, part by part; the gateway and `up` read it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from tunesmith.stores.atomic import write_atomic

Condition = Literal["starting", "ready", "restarting", "failed"]
SILENT_AFTER_SECONDS = 15.0
"""A controller that has not published for this long is said to be silent."""


@dataclass(frozen=True, slots=True)
class PartState:
    """One process or Ray Serve application.

    Attributes:
        name: `ray`, `milvus`, `gateway`, or the application's name.
        condition: what was last observed.
        message: why it is not ready, for a person.
        restarts: how often it was started again.
    """

    name: str
    condition: Condition
    message: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class PlatformState:
    """All parts at one moment.

    Attributes:
        instance: the platform that this is about.
        published_at: Unix seconds.
        parts: in the order of their starting.
        replicas: addresses at which the replicas of an application listen themselves, by its route: `/engine`.
    """

    instance: str
    published_at: float
    parts: tuple[PartState, ...]
    replicas: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether every part answers."""
        return bool(self.parts) and all(part.condition == "ready" for part in self.parts)

    @property
    def silent(self) -> bool:
        """Whether the controller has stopped publishing."""
        return time.time() - self.published_at > SILENT_AFTER_SECONDS


def write_state(
    path: Path,
    *,
    instance: str,
    parts: Sequence[PartState],
    replicas: Mapping[str, Sequence[str]] | None = None,
) -> PlatformState:
    """Publish the parts' state.

    Args:
        path: the state file.
        instance: the running platform.
        parts: every part, in starting order.
        replicas: where replicas listen themselves, by route.

    Returns:
        What was written.

    Raises:
        StorageError: the home cannot be written.
    """
    state = PlatformState(instance, time.time(), tuple(parts), replicas or {})
    write_atomic(path, json.dumps(asdict(state)))
    return state


def read_state(path: Path) -> PlatformState | None:
    """Read what the controller last published.

    Args:
        path: the state file.

    Returns:
        The state; None where there is none yet.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        parts = tuple(PartState(**part) for part in record["parts"])
        return PlatformState(record["instance"], record["published_at"], parts, record.get("replicas", {}))
    except (OSError, ValueError, TypeError, KeyError):
        return None
