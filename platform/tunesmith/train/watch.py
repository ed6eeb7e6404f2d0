"""Show a run on the terminal: a bar where there is one, a line now and then where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

_SECONDS_BETWEEN_LINES = 10


class PlainWatcher:
    """One line for each thing that happens, and one every ten seconds while steps go by.

    Args:
        out: where to print.
    """

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._num_steps = 0
        self._printed = 0.0

    def event(self, event: Mapping[str, Any]) -> None:
        """Show one event.

        Args:
            event: `type` says what it is.
        """
        if event["type"] == "prepared":
            self._num_steps = event["num_steps"]
        if (
            event["type"] == "step"
            and "valid_loss" not in event["values"]
            and not self._is_due(event["step"])
        ):
            return
        line = describe(event, num_steps=self._num_steps)
        if line:
            print(line, file=self._out, flush=True)

    def close(self) -> None:
        """Nothing to end."""

    def _is_due(self, step: int) -> bool:
        now = time.monotonic()
        if step not in (1, self._num_steps) and now - self._printed < _SECONDS_BETWEEN_LINES:
            return False
        self._printed = now
        return True


class BarWatcher:
    """A progress bar with loss and speed.

    Args:
        out: a terminal.
    """

    def __init__(self, out: TextIO = sys.stderr) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[measured]}"),
            TimeRemainingColumn(),
            console=Console(file=out),
            redirect_stdout=False,  # what others print meanwhile goes to a log, not above the bar
            redirect_stderr=False,
        )
        self._task: Any = None
        self._num_steps = 0

    def event(self, event: Mapping[str, Any]) -> None:
        """Show one event.

        Args:
            event: `type` says what it is.
        """
        if event["type"] == "prepared":
            self._num_steps = event["num_steps"]
        if event["type"] == "engine":
            self._start(event["resumed_from"])
        if event["type"] == "step" and self._task is not None:
            self._progress.update(self._task, completed=event["step"], measured=_measured(event["values"]))
        elif line := describe(event, num_steps=self._num_steps):
            self._progress.console.print(line, highlight=False, markup=False)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()

    def _start(self, completed: int) -> None:
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task(
                "training", total=self._num_steps, completed=completed, measured=""
            )
        self._progress.update(self._task, completed=completed)


def make_watcher(out: TextIO = sys.stderr) -> PlainWatcher | BarWatcher:
    """A bar on a terminal, lines elsewhere.

    Args:
        out: where to show.

    Returns:
        The watcher; close it at the end.
    """
    return BarWatcher(out) if out.isatty() else PlainWatcher(out)


def describe(event: Mapping[str, Any], *, num_steps: int) -> str | None:
    """Put an event into words.

    Args:
        event: from the driver or from a worker.
        num_steps: steps of the whole run.

    Returns:
        A line, or None where there is nothing to say.
    """
    match event["type"]:
        case "preparing":
            return "reading and packing the data"
        case "prepared":
            made = event["prepared"]
            return (
                f"{made.num_examples} examples, {made.num_tokens} tokens ({made.num_loss_tokens} learned) "
                f"in {made.num_rows} rows; {num_steps} steps"
            )
        case "starting":
            return f"{event['job'].id}, attempt {event['job'].fence}: starting the workers (logs in {event['folder']})"
        case "waiting":
            return f"waiting for {event['message']}"
        case "reference":
            return f"the reference log-probabilities of {event['num_pairs']} pairs come first"
        case "engine":
            where = f", going on from step {event['resumed_from']}" if event["resumed_from"] else ""
            return f"{event['engine']}, ZeRO {event['zero_stage']}, {event['world_size']} workers{where}"
        case "step":
            return f"step {event['step']}/{num_steps}  {_measured(event['values'])}"
        case "failed":
            return f"a worker failed: {event['message']}"
        case _:
            return None


def _measured(values: Mapping[str, float]) -> str:
    measured = f"  validation {values['valid_loss']:.4f}" if "valid_loss" in values else ""
    return f"loss {values['loss']:.4f}{measured}  {values['tokens_per_second']:.0f} tokens/s"
