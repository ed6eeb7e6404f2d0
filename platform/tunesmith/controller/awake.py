"""Which bases are in memory: as many as there is room for, those that were asked for last."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

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
    needs: Mapping[str, int] | None = None,
    free: int | None = None,
) -> Choice:
    """Choose who sleeps and who wakes.

        ready, idle for idle_seconds      sleeps
        failed, and nobody asks           sleeps
        wanted, and there is room         wakes
        wanted, and there is none         the idle base that was asked for longest ago sleeps; what wakes waits until
                                          it has left: two are never in the place of one
        wanted, and all are in use        waits
        wanted, and memory is short       waits, in nobody's way who fits; the idle bases sleep, one after the other,
                                          where it fits in the place of them all

    Args:
        bases: all bases that were asked for.
        now: Unix seconds.
        max_awake: most bases in memory at once.
        idle_seconds: a base idle for so long sleeps; None: none does while there is room.
        leaving: bases that sleep and still hold memory.
        lasting: bases that are started again when they fail, asked for or not.
        needs: bytes that the engine of a base takes; what is not here takes none.
        free: bytes that no process holds and no base that starts will; None: memory is no matter.

    Returns:
        What shall change.
    """
    needs = needs or {}

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
    staying = [base for base in idle if base not in done]
    fitting, free = _fitting(wanted, needs, free)
    lacking = len(fitting) - (max_awake - len(awake) + len(done))
    short = next((base for base in wanted if base not in fitting), None)
    if short and free is not None and not leaving and not done:
        gained = sum(needs.get(base.model, 0) for base in staying)
        lacking = max(lacking, 1 if needs.get(short.model, 0) <= free + gained else 0)
    room = max_awake - len(awake) - leaving
    return Choice((*forgotten, *done, *staying[: max(0, lacking)]), tuple(fitting[: max(0, room)]))


def _fitting(
    wanted: Sequence[BaseState], needs: Mapping[str, int], free: int | None
) -> tuple[list[BaseState], int | None]:
    """The bases for which there is memory, side by side, and what is left of it."""
    if free is None:
        return list(wanted), None
    fitting = []
    for base in wanted:
        if needs.get(base.model, 0) <= free:
            fitting.append(base)
            free -= needs.get(base.model, 0)
    return fitting, free


class Memory(Protocol):
    """The memory that engines share."""

    def needs(self, model: str) -> int:
        """About how many bytes the engine of a base takes."""

    def free(self) -> int:
        """Bytes that can be had now."""


class Roster:
    """Who is in memory, as the database says; whoever runs the engines takes turns here.

    Args:
        states: where gateways ask for bases.
    """

    def __init__(self, states: BaseStates) -> None:
        self._states = states
        self._short: set[str] = set()
        """Wanted bases of which it has been said that there is not memory enough."""

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
        memory: Memory | None = None,
    ) -> set[str]:
        """Let sleep and wake what shall.

        Args:
            known: bases that there are.
            engines: engines that hold memory now, whoever's they are.
            engine_of: the engine of a base.
            max_awake: most bases in memory at once.
            idle_seconds: see `choose`.
            lasting: see `choose`.
            memory: what the engines must fit into; None: somebody else sees to that.

        Returns:
            The bases that shall be in memory.

        Raises:
            StorageError: the database cannot be read or written.
        """
        bases = [base for base in self._states.all() if base.model in known or self._forget(base)]
        awake = {base.model for base in bases if base.state in AWAKE}
        needs, free = self._measure(bases, memory) if memory else ({}, None)
        choice = choose(
            bases,
            now=time.time(),
            max_awake=max_awake,
            idle_seconds=idle_seconds,
            leaving=len(set(engines) - set(map(engine_of, awake))),
            lasting=lasting,
            needs=needs,
            free=free,
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

    def _measure(self, bases: Sequence[BaseState], memory: Memory) -> tuple[dict[str, int], int | None]:
        """What each base needs, and what is free; nothing is looked at while nobody wants to wake."""
        wanted = {base.model for base in bases if base.state == "wanted"}
        self._short &= wanted
        if not wanted:
            return {}, None
        needs = {base.model: memory.needs(base.model) for base in bases if base.state != "asleep"}
        free = memory.free() - sum(needs[base.model] for base in bases if base.state == "starting")
        for model in sorted(wanted - self._short):
            if needs[model] > free:
                self._short.add(model)
                LOG.warning(
                    "%s waits for memory: its engine takes about %.1f GiB, and %.1f GiB are free. Free some, serve it "
                    "with a smaller engine.kv_cache_gib, or set serving.check_memory=false.",
                    model,
                    needs[model] / 2**30,
                    max(0, free) / 2**30,
                )
        return needs, free

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
