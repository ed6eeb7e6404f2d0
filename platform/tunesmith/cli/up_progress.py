"""What `tunesmith up` shows while it waits: one line a part, as soon as the part answers."""

from __future__ import annotations

import sys
import time

from tunesmith.stores.state_file import PartState, PlatformState


class UpProgress:
    """Prints to standard error, so that standard output holds nothing but the result."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._shown: set[str] = set()
        self._waiting = ""

    def __call__(self, state: PlatformState) -> None:
        """Show what has changed.

        Args:
            state: what the controller last said.
        """
        for part in state.parts:
            if part.condition == "ready" and part.name not in self._shown:
                self._shown.add(part.name)
                self._line(f"{part.name:<8} ready  {time.monotonic() - self._began:6.1f} s")
            elif part.condition == "restarting" and part.message and part.message not in self._shown:
                self._shown.add(part.message)
                self._line(f"{part.name:<8} {part.message}")
        self._wait_line([part for part in state.parts if part.condition != "ready"])

    def _line(self, text: str) -> None:
        self._clear()
        print(text, file=sys.stderr, flush=True)

    def _wait_line(self, unready: list[PartState]) -> None:
        if sys.stderr.isatty() and unready:
            self._clear()
            names = ", ".join(part.name for part in unready)
            self._waiting = f"waiting for {names}  {time.monotonic() - self._began:.0f} s"
            print(self._waiting, end="", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._waiting:
            print(f"\r{' ' * len(self._waiting)}\r", end="", file=sys.stderr)
            self._waiting = ""
