"""The loop that makes wanted true on one machine: processes run, applications serve, their state is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from tunesmith.controller.applications import Applications
from tunesmith.controller.batches import BatchController
from tunesmith.controller.edge import Loop, going_on
from tunesmith.controller.housekeeping import Housekeeper
from tunesmith.controller.jobs import JobController
from tunesmith.controller.supervise import Supervised
from tunesmith.errors import StorageError
from tunesmith.stores.platform_file import ProcessId
from tunesmith.stores.state_file import PartState

_EAGER_SECONDS, _CALM_SECONDS = 0.25, 2.0


class Controller:
    """Keeps a platform as it shall be.

    Args:
        parts: its processes, in starting order.
        applications: what Ray Serve shall run on the part named `ray`.
        publish: told the state of everything after each look.
        record: told the main process of each part whenever one changed.
        jobs: drives fine-tuning jobs.
        batches: drives batches of requests.
        housekeeper: takes away what has expired.
    """

    def __init__(
        self,
        parts: Sequence[Supervised],
        *,
        applications: Applications,
        publish: Callable[[Sequence[PartState]], object],
        record: Callable[[dict[str, ProcessId]], None],
        jobs: JobController | None = None,
        batches: BatchController | None = None,
        housekeeper: Housekeeper | None = None,
    ) -> None:
        self._parts = parts
        self._applications = applications
        self._publish = publish
        self._record = record
        self._jobs = jobs
        self._batches = batches
        self._housekeeper = housekeeper
        self._recorded: dict[str, ProcessId] = {}
        self._ray_ready = False
        self._all_ready = False
        self._served: list[PartState] = applications.ray_is_gone()

    def run(self, stop: threading.Event) -> bool:
        """Look and act until told to stop; then end every part.

        Args:
            stop: set by a signal.

        Returns:
            False where it stopped because one of its loops had ended.
        """
        driving = [Loop("jobs", self._drive_jobs, stop)]
        driving += [Loop("batches", self._batches.run, stop)] if self._batches else []
        # Ray's dashboard may take a minute to answer on a busy machine; the processes are watched meanwhile.
        loops = [*driving, Loop("applications", self._watch_applications, stop)]
        loops += [Loop("housekeeping", self._housekeeper.run, stop)] if self._housekeeper else []
        for loop in loops:
            loop.start()
        while not stop.is_set():
            with going_on("the platform"):
                self._all_ready = self.tick()
            stop.wait(_CALM_SECONDS if self._all_ready else _EAGER_SECONDS)
        for loop in driving:
            loop.join()  # jobs end their attempts and batches keep their answers while Ray and gateway are still there
        self.stop_parts()
        return all(not loop.failed for loop in loops)

    def replace(self, name: str) -> None:
        """Ask for a fresh process of one part, without a request refused or cut.

        Args:
            name: the part's name.
        """
        for part in self._parts:
            if part.part.name == name:
                part.replace()

    def _drive_jobs(self, stop: threading.Event) -> None:
        if self._jobs:
            self._jobs.run(stop, has_room=lambda: self._ray_ready)
        else:
            stop.wait()

    def _watch_applications(self, stop: threading.Event) -> None:
        while not stop.wait(_CALM_SECONDS if self._all_ready else _EAGER_SECONDS):
            if self._ray_ready:
                with going_on("applications"):
                    self._served = self._applications.tick()

    def tick(self) -> bool:
        """Look at everything once and mend what is not as wanted.

        Returns:
            Whether everything is ready.
        """
        states = [_look_at(part) for part in self._parts]
        self._ray_ready = any(state.name == "ray" and state.condition == "ready" for state in states)
        if not self._ray_ready:
            self._served = self._applications.ray_is_gone()
        states += self._served
        self._tell(states)
        return all(state.condition == "ready" for state in states)

    def _tell(self, states: Sequence[PartState]) -> None:
        running = {part.part.name: part.process for part in self._parts if part.process}
        try:
            self._publish(states)
            if running != self._recorded:
                self._record(running)
                self._recorded = running
        except StorageError as error:
            # A full disk must not take the platform down; the log says why nothing is told.
            print(f"state not written: {error.message}", flush=True)

    def stop_parts(self) -> None:
        """End every part, all at once and each in its own time."""
        threads = [threading.Thread(target=part.stop) for part in self._parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _look_at(part: Supervised) -> PartState:
    """One part's trouble (a full disk, no process left) must not leave the others alone."""
    with going_on(part.part.name):
        return part.tick()
    return PartState(part.part.name, "restarting", "the controller fails on it; its log says why")
