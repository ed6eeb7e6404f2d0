"""What runs on a home: its parts, their state, their memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.controller.processes import PART, processes_of
from tunesmith.serve.applications import engine_name
from tunesmith.stores.platform_file import RunningPlatform, read_running
from tunesmith.stores.state_file import PartState, PlatformState, read_state


@dataclass(frozen=True, slots=True)
class PartReport:
    """One part.

    Attributes:
        name: the part; a Ray Serve application has no processes of its own, they count as `ray`.
        condition: `ready`, `starting`, `restarting`, `failed`, `dead`.
        message: why it is not ready; of an engine where there are several, whose it is first.
        num_processes: itself and its children.
        memory_mib: what they hold together, pages shared between them counted once each.
    """

    name: str
    condition: str
    message: str
    num_processes: int = 0
    memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The platform of one home; `running` is None where there is none."""

    running: RunningPlatform | None
    parts: tuple[PartReport, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether every part is ready, the controller included."""
        return self.running is not None and all(part.condition == "ready" for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        """The report for a program."""
        if self.running is None:
            return {"running": False, "ready": False, "parts": []}
        shown = {
            name: getattr(self.running, name) for name in ("instance", "base_url", "model", "ray_dashboard")
        }
        return {"running": True, "ready": self.ready, **shown, "parts": [asdict(part) for part in self.parts]}


def platform_status(home: Home) -> StatusReport:
    """Look at the platform of a home.

    Args:
        home: the installation.

    Returns:
        What was found.
    """
    running = read_running(home)
    if running is None:
        return StatusReport(None)
    counts, memory = _usage(running)
    state = read_state(running.state_file)
    rows = [
        _controller(running, state),
        *((p.name, p.condition, _told(p, _bases(running))) for p in (state.parts if state else ())),
    ]
    return StatusReport(
        running, tuple(PartReport(*row, counts[row[0]], round(memory[row[0]] / 2**20)) for row in rows)
    )


def _controller(running: RunningPlatform, state: PlatformState | None) -> tuple[str, str, str]:
    process = running.pids.get("controller")
    if process is None or not process.alive():
        return (
            "controller",
            "dead",
            "what runs goes on serving unwatched; `tunesmith up` starts a new controller",
        )
    if state is None or state.silent:
        return "controller", "starting", "silent"
    return "controller", "ready", ""


def _bases(running: RunningPlatform) -> dict[str, str]:
    """Whose engine an application is, where there are several."""
    bases = ServeConfig.model_validate(running.config).served_bases
    return {engine_name(base.model, default=running.model): base.model for base in bases} if bases[1:] else {}


def _told(part: PartState, bases: Mapping[str, str]) -> str:
    return ": ".join(filter(None, (bases.get(part.name), part.message)))


def _usage(running: RunningPlatform) -> tuple[Counter[str], Counter[str]]:
    counts: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    # By the record's own words: the folder may have got another path since the platform was started.
    for process in processes_of(running.home, instance=running.instance):
        try:
            part = process.environ()[PART]
            memory[part] += process.memory_full_info().pss
        except (psutil.Error, KeyError):
            continue
        counts[part] += 1
    return counts, memory
