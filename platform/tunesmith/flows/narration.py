"""A flow that tells what it does: each step with its command, and the seconds it took."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from tunesmith.config.home import Home


@dataclass(frozen=True, slots=True)
class ToldStep:
    """A step that is done."""

    title: str
    command: str
    seconds: float


def typed(*words: object, home: Home) -> str:
    """Write a command as a person would type it into a shell.

    Args:
        *words: verb, arguments and options of `tunesmith`.
        home: the installation; named where it is not the one that the command would take by itself.

    Returns:
        The line, quoted where a shell needs it.
    """
    named = [] if home == Home.locate(None) else ["--home", home.root]
    return shlex.join(str(word) for word in ("tunesmith", *words, *named))


class Narrator:
    """Tells the steps of a flow as they go by.

    Args:
        console: where to print.
        num_steps: how many there will be.
    """

    def __init__(self, console: Console, *, num_steps: int) -> None:
        self.console = console
        self.steps: list[ToldStep] = []
        self._num_steps = num_steps

    @contextmanager
    def step(self, title: str, *, command: str) -> Iterator[None]:
        """Tell one step; its seconds are told when the block ends well.

        Args:
            title: what is being done, as a sentence without its full stop.
            command: what a person would type to do the same.

        Yields:
            Nothing.
        """
        started = time.monotonic()
        self.console.print()
        self.console.print(Text(f"{len(self.steps) + 1}/{self._num_steps}  {title}", style="bold"))
        self.console.print(Text(f"     $ {command}", style="dim"), soft_wrap=True)
        yield
        told = ToldStep(title, command, round(time.monotonic() - started, 1))
        self.steps.append(told)
        self.console.print(Text(f"     done in {told.seconds:.1f} s", style="green"))

    def say(self, line: str) -> None:
        """Print something that a step found out.

        Args:
            line: plain text.
        """
        self.console.print(Text(f"     {line}"), soft_wrap=True)
