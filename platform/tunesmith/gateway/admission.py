"""How many requests the data plane works on at once: bounded over all and per project, with a short, bounded wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from dataclasses import dataclass

from tunesmith.config.serve import LoadConfig
from tunesmith.errors import OverloadedError, PlatformError, TooManyRequestsError


class Admission:
    """Hands out places. For one event loop; one that becomes free goes to who has waited longest and may have it.

    Args:
        load: the bounds.
    """

    def __init__(self, load: LoadConfig) -> None:
        self._load = load
        self._in_flight: Counter[str] = Counter()
        self._waiting: deque[_Turn] = deque()

    @property
    def in_flight(self) -> int:
        """Places taken."""
        return self._in_flight.total()

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    async def enter(self, project_id: str) -> Place:
        """Take a place, waiting for one if need be.

        Args:
            project_id: who asks.

        Returns:
            The place; whoever holds it leaves it.

        Raises:
            TooManyRequestsError: the project has as many as it may, and none became free in time.
            OverloadedError: the whole gateway has.
        """
        if self._has_room(project_id):
            return self._take(project_id)
        if not self._may_wait(project_id):
            raise self._refusal(project_id)
        return await self._wait(project_id)

    async def _wait(self, project_id: str) -> Place:
        turn = _Turn(project_id, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn.place], timeout=self._load.wait_seconds)
        except asyncio.CancelledError:
            if turn.place.done():
                turn.place.result().leave()
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)
        if not turn.place.done():
            raise self._refusal(project_id)
        return turn.place.result()

    def _has_room(self, project_id: str) -> bool:
        own = self._in_flight[project_id]
        return self.in_flight < self._load.max_in_flight and own < self._load.max_in_flight_per_project

    def _may_wait(self, project_id: str) -> bool:
        # Half for any one project: else one that asks without end would keep all others from waiting.
        own = sum(turn.project_id == project_id for turn in self._waiting)
        return len(self._waiting) < self._load.max_waiting and own < (self._load.max_waiting + 1) // 2

    def _take(self, project_id: str) -> Place:
        self._in_flight[project_id] += 1
        return Place(self, project_id)

    def give_back(self, project_id: str) -> None:
        """Take a place back and give it to who waits; `Place.leave` calls this once.

        Args:
            project_id: whose place it was.
        """
        self._in_flight[project_id] -= 1
        if not self._in_flight[project_id]:
            del self._in_flight[project_id]
        for turn in self._waiting:
            if self._has_room(turn.project_id):
                self._waiting.remove(turn)
                turn.place.set_result(self._take(turn.project_id))
                return

    def _refusal(self, project_id: str) -> PlatformError:
        if self._in_flight[project_id] >= self._load.max_in_flight_per_project:
            return TooManyRequestsError(
                f"This project has {self._load.max_in_flight_per_project} requests in flight, as many as it may. "
                "Wait for one of them, then try again."
            )
        return OverloadedError("The engines have as much to do as they can hold. Try again in a moment.")


class Place:
    """One request in flight.

    Args:
        admission: where it came from.
        project_id: whose it is.
    """

    def __init__(self, admission: Admission, project_id: str) -> None:
        self._admission: Admission | None = admission
        self._project_id = project_id

    def leave(self) -> None:
        """Give the place back; a second time changes nothing."""
        admission, self._admission = self._admission, None
        if admission:
            admission.give_back(self._project_id)


@dataclass(eq=False, slots=True)
class _Turn:
    project_id: str
    place: asyncio.Future[Place]
