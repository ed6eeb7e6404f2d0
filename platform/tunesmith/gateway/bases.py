"""Where each base is served, and what a request for one that is on its way into memory gets."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.config.serve import ServingConfig
from tunesmith.errors import OverloadedError, PlatformError, UnavailableError, WakingError
from tunesmith.serve.applications import ENGINE
from tunesmith.stores.bases import BaseState, BaseStates

LOG = logging.getLogger("tunesmith.gateway.bases")
"""What goes wrong with nobody's request."""

_BEAT_SECONDS = 5.0
"""How often a base in use is asked for: three times before the controller would take it for idle."""
_LOOK_SECONDS = 0.5
"""Between two looks at a base that is waited for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a base is served.

    Attributes:
        url: address of its Ray Serve; empty where it is the gateway's own.
        engine: application of its engine there.
    """

    url: str = ""
    engine: str = ENGINE

    def direct(self, path: str, body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Direct a request to this base.

        Args:
            path: the default base's route, `/engine/...` or `/answer/...`.
            body: JSON to send.

        Returns:
            The base's own route or whole address, and the body; to `/answer` it says which engine to ask.
        """
        _, application, rest = path.split("/", 2)
        if application == ENGINE:
            return f"{self.url}/{self.engine}/{rest}", body
        return f"{self.url}{path}", {**body, "engine": self.engine}


class Bases:
    """The served bases, as requests meet them.

    A request is present at its base from its arrival to the end of its answer, and a base with somebody present is
    asked for every few seconds: so it is woken, and not put to sleep under an answer.

    Args:
        place: where a base is served.
        states: who sleeps and who is ready; one truth for all gateways.
        config: what a request for a base on its way gets.
        always: bases that are never put to sleep: no state is kept of them.
        max_waiting: most requests that wait for one base.
    """

    def __init__(
        self,
        *,
        place: Callable[[str], Place],
        states: BaseStates,
        config: ServingConfig,
        always: Collection[str] = (),
        max_waiting: int = 64,
    ) -> None:
        self._place = place
        self._states = states
        self._config = config
        self._always = frozenset(always)
        self._max_waiting = max_waiting
        self._present: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._ready_at: dict[str, float] = {}
        self._looks: dict[str, asyncio.Task[BaseState]] = {}
        self._beats: asyncio.Task[None] | None = None

    async def attend(self, base: str) -> Place:
        """Wait until a base is in memory, and keep it there until `leave`.

        Args:
            base: its name.

        Returns:
            Where it is served.

        Raises:
            WakingError: it is on its way, and the policy is not to wait, or it took too long.
            OverloadedError: too many wait for it already.
            UnavailableError: it cannot be started.
        """
        if base in self._always:
            return self._place(base)
        self._present[base] += 1
        try:
            # Asked for within the last beat and ready then: it is not put to sleep before the next one.
            if time.monotonic() - self._ready_at.get(base, -_BEAT_SECONDS) >= _BEAT_SECONDS:
                state = await asyncio.to_thread(self._ask, base)
                if state.state != "ready":
                    await self._wait(base)
        except BaseException:
            self.leave(base)
            raise
        if self._beats is None:
            self._beats = asyncio.create_task(self._beat())
        return self._place(base)

    def leave(self, base: str) -> None:
        """Say that a request is over.

        Args:
            base: what `attend` was called with.
        """
        if base not in self._always:
            self._present[base] -= 1

    async def close(self) -> None:
        """Stop asking."""
        tasks = [task for task in (self._beats, *self._looks.values()) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ask(self, base: str) -> BaseState:
        asked = time.monotonic()
        state = self._states.ask(base)
        if state.state == "ready":
            self._ready_at[base] = asked
        else:
            self._ready_at.pop(base, None)
        return state

    async def _wait(self, base: str) -> None:
        if self._config.on_the_way == "refuse":
            raise WakingError(f"{base} is being started. Try again in a moment.", param="model")
        if self._waiting[base] >= self._max_waiting:
            raise OverloadedError(
                f"{base} is being started, and {self._waiting[base]} requests wait for it. Try again later."
            )
        self._waiting[base] += 1
        try:
            async with asyncio.timeout(self._config.wait_seconds):
                state = await asyncio.shield(self._look(base))
        except TimeoutError as error:
            raise WakingError(
                f"{base} was not ready within {self._config.wait_seconds:g} s: it is being started, every place in "
                "memory is in use (serving.max_awake), or too little memory is free, which the controller's log says. "
                "Try again.",
                param="model",
            ) from error
        finally:
            self._waiting[base] -= 1
        if state.state == "failed":
            raise UnavailableError(f"{base} cannot be started. The log of its engine holds the reason.")

    def _look(self, base: str) -> asyncio.Task[BaseState]:
        """One looks for all who wait."""
        task = self._looks.get(base)
        if task is None or task.done():
            task = self._looks[base] = asyncio.create_task(self._until_settled(base))
        return task

    async def _until_settled(self, base: str) -> BaseState:
        while True:
            state = await asyncio.to_thread(self._ask, base)
            if state.state in ("ready", "failed") or not self._waiting[base]:
                return state
            await asyncio.sleep(_LOOK_SECONDS)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            for base in [base for base, number in self._present.items() if number > 0]:
                try:
                    await asyncio.to_thread(self._ask, base)
                except PlatformError as error:
                    LOG.warning("%s could not be kept awake: %s", base, error.message)
