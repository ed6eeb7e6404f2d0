"""Looks for what `tunesmith train --on kubernetes` has trained: runs that nobody drives, and no row stands for.

Each works in a home of its own on the volume that pods share, `projects/<project>/runs/<name>`.
"""

from __future__ import annotations

import logging
import re
import threading
import time

from tunesmith.config.home import Home
from tunesmith.controller.arrivals import Arrivals
from tunesmith.controller.edge import going_on
from tunesmith.records import RUNS
from tunesmith.stores.foreign_versions import foreign_versions
from tunesmith.stores.no_links import names_below
from tunesmith.stores.projects import Projects

LOG = logging.getLogger("tunesmith.controller.runs")
"""The log of what runs leave."""

_SECONDS_BETWEEN_LOOKS = 10.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class RunArrivals:
    """Takes in the versions of runs.

    Args:
        projects: whose runs there are.
        home: the installation; its objects are the volume.
        arrivals: takes them in.
        patience_seconds: how long a version waits for an engine that could prove it.
    """

    def __init__(
        self, projects: Projects, home: Home, arrivals: Arrivals, *, patience_seconds: float
    ) -> None:
        self._projects = projects
        self._home = home
        self._arrivals = arrivals
        self._patience_seconds = patience_seconds
        self._settled: dict[str, list[str]] = {}
        self._waiting_since: dict[str, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop.

        Args:
            stop: set by a signal.
        """
        while not stop.wait(_SECONDS_BETWEEN_LOOKS):
            with going_on("runs"):
                self.look()

    def look(self) -> None:
        """Take in what is there and was not seen before; what waits for an engine is looked at again."""
        for project in self._projects.all():
            runs = f"projects/{project.id}/{RUNS}"
            for name in filter(_NAME.fullmatch, names_below(self._home.objects, runs)):
                with going_on(f"run {name}"):
                    self._look_at(f"{runs}/{name}", project.id, name)

    def _look_at(self, home: str, project_id: str, name: str) -> None:
        found = foreign_versions(self._home.objects, home)
        if not found or self._settled.get(home) == found:
            return
        began = self._waiting_since.setdefault(home, time.monotonic())
        last = time.monotonic() - began > self._patience_seconds
        arrived = self._arrivals(home, project_id=project_id, origin=f"run-{name}", last=last)
        if arrived.waiting:
            LOG.info("run %s: %s", name, arrived.waiting)
            return
        for line in arrived.lines:
            LOG.info("run %s: %s", name, line)
        self._settled[home] = found
        self._waiting_since.pop(home)
