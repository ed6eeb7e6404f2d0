"""One part that shall always run: started, watched, and started again with a growing pause."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tunesmith.controller.processes import PART, end_processes, start_process, sweep
from tunesmith.controller.succession import Listener, Successor
from tunesmith.stores.platform_file import ProcessId
from tunesmith.stores.state_file import Condition, PartState

FAILED_AFTER_RESTARTS = 3
"""A part that never became ready and died this often is called failed; it is still tried again."""
PATIENCE_SECONDS = 30.0
"""What was ready and still runs may be silent this long, on a machine that is busy, before it is called unready."""
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Part:
    """How one process of the platform is run.

    Attributes:
        name: `ray`, `milvus`, `gateway` or `indexer`.
        command: program and arguments.
        environment: variables on top of the controller's own.
        log: its output.
        folder: its working folder.
        home: the home folder, by which its children are found.
        probe: whether it answers; quick, never raises.
        grace_seconds: how long it may take to end.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    folder: Path
    home: Path
    probe: Callable[[], bool]
    grace_seconds: float = 8.0
    port: int | None = None
    """Where it listens, if the controller shall hold its listening socket, so that it can be replaced unnoticed."""
    trusted: bool = True
    """Whether it inherits the credentials of whoever brought the platform up."""


class Supervised:
    """Keeps one part running.

    Args:
        part: what to run.
        adopted: a process of an earlier controller that may still live; it is kept rather than started again.
    """

    def __init__(self, part: Part, *, adopted: ProcessId | None = None) -> None:
        self.part = part
        self.process = adopted if adopted and adopted.alive() else None
        self._child: subprocess.Popen[bytes] | None = None
        self._restarts = 0
        self._was_ready = False
        self._answered_at = -PATIENCE_SECONDS
        self._pause_seconds = 0.0
        self._next_start = 0.0
        self._listener = Listener(part.port) if part.port is not None else None
        self._successor: Successor | None = None
        self._replacement_wanted = False
        self._leaving: list[subprocess.Popen[bytes]] = []

    def replace(self) -> None:
        """Ask for a fresh process in place of this one, without a request refused or cut; `tick` sees to it."""
        self._replacement_wanted = True

    def tick(self) -> PartState:
        """Start the part if it does not run, and see whether it answers.

        Returns:
            What was observed.
        """
        if self._listener and self.process is not None:
            self._succeed(self._listener)
        if not self._alive():
            return self._start_when_due()
        if self.part.probe():
            self._was_ready, self._pause_seconds, self._answered_at = True, 0.0, time.monotonic()
        if time.monotonic() - self._answered_at < PATIENCE_SECONDS:
            return self._state("ready")
        return self._state("restarting" if self._restarts else "starting", self._trouble())

    def _succeed(self, listener: Listener) -> None:
        self._leaving = [process for process in self._leaving if process.poll() is None]
        if self._successor is not None:
            self._look_at(self._successor)
        elif self._replacement_wanted and self._alive():
            self._replacement_wanted = False
            self._successor = self._start(listener)

    def _look_at(self, successor: Successor) -> None:
        state = successor.state()
        if state == "failed":
            print(f"{self.part.name}: the successor did not answer, see {self.part.log}", flush=True)
            successor.end()
            self._successor = None
        elif state == "ready":
            if self.process and self.process.alive():
                os.kill(self.process.pid, signal.SIGTERM)  # it finishes what it has begun
            if self._child is not None:
                self._leaving.append(self._child)
            self._adopt(successor)

    def _adopt(self, successor: Successor) -> None:
        successor.forget()
        self._child, self._successor = successor.process, None
        self.process = ProcessId.of(self._child.pid)

    def stop(self) -> None:
        """End the part and everything that it started."""
        if self._listener:
            self._listener.close()
        if self.process and self.process.alive():
            with contextlib.suppress(psutil.NoSuchProcess):
                end_processes([psutil.Process(self.process.pid)], grace_seconds=self.part.grace_seconds)
        self._sweep()
        self._alive()

    def _alive(self) -> bool:
        if self._child is not None:
            self._child.poll()  # takes the exit status, so that no zombie stays
        return self.process is not None and self.process.alive()

    def _start_when_due(self) -> PartState:
        if self.process is not None:
            # Told at once; clearing up and starting anew takes seconds.
            self._note_death()
            return self._state("restarting", self._trouble())
        if time.monotonic() < self._next_start:
            return self._state("failed" if self._hopeless() else "restarting", self._trouble())
        self._sweep()
        self._begin()
        return self._state("failed" if self._hopeless() else "restarting" if self._restarts else "starting")

    def _begin(self) -> None:
        if self._listener:
            with contextlib.suppress(OSError):  # the port is taken: the process itself says so in its log
                self._adopt(self._start(self._listener))
                return
        part = self.part
        self._child = start_process(
            part.command,
            environment=part.environment,
            log=part.log,
            folder=part.folder,
            trusted=part.trusted,
        )
        self.process = ProcessId.of(self._child.pid)

    def _start(self, listener: Listener) -> Successor:
        part = self.part
        return Successor(
            part.command, listener=listener, environment=part.environment, log=part.log, folder=part.folder
        )

    def _note_death(self) -> None:
        if self._successor is not None:  # swept away with all that is left of the part
            self._successor.end()
            self._successor = None
        self.process, self._answered_at = None, -PATIENCE_SECONDS
        self._restarts += 1
        self._next_start = time.monotonic() + self._pause_seconds
        self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, 2 * self._pause_seconds + 1)

    def _sweep(self) -> None:
        # Children outlive a killed parent; a new Ray head beside the workers of the old one would be chaos.
        sweep(self.part.home, part=self.part.environment[PART], grace_seconds=2.0)

    def _hopeless(self) -> bool:
        return not self._was_ready and self._restarts >= FAILED_AFTER_RESTARTS

    def _trouble(self) -> str:
        return f"died {self._restarts} times, see {self.part.log}" if self._restarts else ""

    def _state(self, condition: Condition, message: str = "") -> PartState:
        return PartState(self.part.name, condition, message, self._restarts)
