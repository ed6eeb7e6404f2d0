"""Which bases are in memory: as many as there is room for, those that were asked for last."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tunesmith.stores.bases import AWAKE, BaseState, BaseStates, State
from tunesmith.stores.state_file import Condition

LOG = logging.getLogger("tunesmith.controller.bases")
"""Who wakes and who sleeps."""

BUSY_SECONDS = 16.0
"""A base that was asked for within this time is in use: gateways ask every five seconds while they have requests."""
_FORGOTTEN_SECONDS = 60.0
"""A base that is wanted and was not asked for this long is wanted by nobody any more."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What shall change.

    Attributes:
        sleep: bases that shall leave memory, unless they are asked for meanwhile.
        wake: bases that shall come into it.
    """

    sleep: tuple[BaseState, ...] = ()
    wake: tuple[BaseState, ...] = ()


def choose(
    bases: Sequence[BaseState],
    *,
    now: float,
    max_awake: int,
    idle_seconds: float | None,
    leaving: int = 0,
    lasting: Collection[str] = (),
) -> Choice:
    """Choose who sleeps and who wakes.

        ready, idle for idle_seconds      sleeps
        failed, and nobody asks           sleeps
        wanted, and there is room         wakes
        wanted, and there is none         the idle base that was asked for longest ago sleeps; what wakes waits until
                                          it has left: two are never in the place of one
        wanted, and all are in use        waits

    Args:
        bases: all bases that were asked for.
        now: Unix seconds.
        max_awake: most bases in memory at once.
        idle_seconds: a base idle for so long sleeps; None: none does while there is room.
        leaving: bases that sleep and still hold memory.
        lasting: bases that are started again when they fail, asked for or not.

    Returns:
        What shall change.
    """

    def unasked(base: BaseState) -> float:
        return now - base.asked_at

    awake = [base for base in bases if base.state in AWAKE]
    wanted = sorted((base for base in bases if base.state == "wanted"), key=lambda base: base.asked_at)
    forgotten = [base for base in wanted if unasked(base) > _FORGOTTEN_SECONDS]
    wanted = [base for base in wanted if base not in forgotten]
    idle = sorted((base for base in awake if unasked(base) > BUSY_SECONDS), key=lambda base: base.asked_at)
    done = [
        base
        for base in idle
        if (base.state == "ready" and idle_seconds is not None and unasked(base) > idle_seconds)
        or (base.state == "failed" and base.model not in lasting)
    ]
    lacking = len(wanted) - (max_awake - len(awake) + len(done))
    evicted = [base for base in idle if base not in done][: max(0, lacking)]
    room = max_awake - len(awake) - leaving
    return Choice((*forgotten, *done, *evicted), tuple(wanted[: max(0, room)]))


class Roster:
    """Who is in memory, as the database says; whoever runs the engines takes turns here.

    Args:
        states: where gateways ask for bases.
    """

    def __init__(self, states: BaseStates) -> None:
        self._states = states

    def begin(self, awake: Sequence[str], asleep: Sequence[str] = (), *, fresh: bool) -> None:
        """Give bases their rows.

        Args:
            awake: bases that have one already, or shall be in memory.
            asleep: bases that have one already, or shall wait until they are asked for.
            fresh: whether what an earlier platform left is forgotten first.
        """
        if fresh:
            for base in self._states.all():
                self._states.forget(base.model)
        for model in awake:
            self._states.ensure(model, "starting")
        for model in asleep:
            self._states.ensure(model, "asleep")

    def turn(
        self,
        known: Collection[str],
        *,
        engines: Collection[str],
        engine_of: Callable[[str], str],
        max_awake: int,
        idle_seconds: float | None,
        lasting: Collection[str] = (),
    ) -> set[str]:
        """Let sleep and wake what shall.

        Args:
            known: bases that there are.
            engines: engines that hold memory now, whoever's they are.
            engine_of: the engine of a base.
            max_awake: most bases in memory at once.
            idle_seconds: see `choose`.
            lasting: see `choose`.

        Returns:
            The bases that shall be in memory.

        Raises:
            StorageError: the database cannot be read or written.
        """
        bases = [base for base in self._states.all() if base.model in known or self._forget(base)]
        awake = {base.model for base in bases if base.state in AWAKE}
        choice = choose(
            bases,
            now=time.time(),
            max_awake=max_awake,
            idle_seconds=idle_seconds,
            leaving=len(set(engines) - set(map(engine_of, awake))),
            lasting=lasting,
        )
        for base in choice.sleep:
            if self._states.let_sleep(base):
                LOG.info("%s sleeps: last asked for %.0f s ago", base.model, time.time() - base.asked_at)
                awake.discard(base.model)
        for base in choice.wake:
            LOG.info("%s is woken", base.model)
            self._states.tell(base.model, "starting")
            awake.add(base.model)
        return awake

    def awake(self) -> list[BaseState]:
        """The bases that are in memory, or on their way."""
        return [base for base in self._states.all() if base.state in AWAKE]

    def note(self, base: BaseState, condition: Condition, message: str = "") -> None:
        """Say how far a base is.

        Args:
            base: as it was.
            condition: of its engine.
            message: why it is not ready.
        """
        now: State = "ready" if condition == "ready" else "failed" if condition == "failed" else "starting"
        if now != base.state:
            LOG.info("%s is %s %s", base.model, now, message)
            self._states.tell(base.model, now)

    def _forget(self, base: BaseState) -> bool:
        LOG.info("%s is not served any more", base.model)
        self._states.forget(base.model)
        return False
