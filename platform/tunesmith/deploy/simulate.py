"""A day of traffic on replicas that scale as Ray Serve scales them, with spikes and lost nodes.

A fluid model in steps of ten seconds. In each step requests arrive, replicas answer what they can, the rest waits, and
what finds no place in the line is refused. The autoscaler sees the requests under way and waiting, and asks for

    desired = ceil(requests / target_ongoing_requests), between min_replicas and max_replicas

at once upwards (a replica answers after its cold start), and downwards after it was too many for the whole delay.
It says nothing of single requests: a mean over ten seconds hides what happens within them.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from tunesmith.config.capacity import DayConfig

STEP_SECONDS = 10.0
_DAY = 86400.0
_SPIKE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Day:
    """How the day went.

    Attributes:
        requests: that came.
        refused: of them, for want of a place in the line.
        delayed: of them, that had to wait for more than a second, the refused ones not counted.
        longest_wait_seconds: of those that were answered.
        most_replicas: at one time.
        replica_hours: over the day.
        minutes_at_most: how long every replica that may be was asked for.
    """

    requests: float
    refused: float
    delayed: float
    longest_wait_seconds: float
    most_replicas: int
    replica_hours: float
    minutes_at_most: float

    @property
    def refused_share(self) -> float:
        """Of all requests."""
        return self.refused / self.requests


def traffic(config: DayConfig, second: float, spikes: list[float]) -> float:
    """Requests a second at one time of the day.

    Args:
        config: the day.
        second: since midnight.
        spikes: when spikes begin.

    Returns:
        A wave between a third and five thirds of the average, times the spike's factor within one.
    """
    wave = 1 - 2 / 3 * math.cos(2 * math.pi * second / _DAY)
    spiking = any(start <= second < start + _SPIKE_SECONDS for start in spikes)
    return config.average_requests_per_second * wave * (config.spike_factor if spiking else 1)


def simulate_day(config: DayConfig) -> Day:
    """Run through one day.

    Args:
        config: the day.

    Returns:
        What happened; the same for the same seed.
    """
    chance = random.Random(config.seed)
    spikes = [chance.uniform(0, _DAY) for _ in range(config.num_spikes)]
    losses = sorted(chance.uniform(0, _DAY) for _ in range(config.node_losses))
    fleet = _Fleet(config)
    requests = refused = delayed = longest = replica_steps = at_most = 0.0
    most = 0
    waiting = 0.0
    for step in range(int(_DAY / STEP_SECONDS)):
        now = step * STEP_SECONDS
        while losses and losses[0] <= now:
            losses.pop(0)
            fleet.lose(config.replicas_per_node)
        arriving = traffic(config, now, spikes) * STEP_SECONDS
        rate = fleet.ready(now) * config.slots / config.seconds_per_answer
        answered = min(waiting + arriving, rate * STEP_SECONDS)
        left = waiting + arriving - answered
        waiting = min(left, float(config.max_waiting * max(1, fleet.ready(now))))
        wait = waiting / rate if rate else 0.0
        requests, refused = requests + arriving, refused + left - waiting
        delayed += min(arriving, answered) if wait > 1 else 0.0
        longest = max(longest, wait)
        under_way = min(answered / STEP_SECONDS * config.seconds_per_answer, fleet.ready(now) * config.slots)
        fleet.scale(now, under_way + waiting)
        most = max(most, fleet.asked)
        replica_steps += fleet.asked
        at_most += fleet.asked >= config.max_replicas
    return Day(
        requests,
        refused,
        delayed,
        longest,
        most,
        replica_steps * STEP_SECONDS / 3600,
        at_most * STEP_SECONDS / 60,
    )


class _Fleet:
    """Replicas by the time from which they answer."""

    def __init__(self, config: DayConfig) -> None:
        self._config = config
        self._from = [0.0] * max(1, config.min_replicas)
        self._too_many_since: float | None = None

    @property
    def asked(self) -> int:
        """Those that answer, and those that start."""
        return len(self._from)

    def ready(self, now: float) -> int:
        """Those that answer."""
        return sum(start <= now for start in self._from)

    def lose(self, count: int) -> None:
        """A node goes, and its replicas; the oldest stand there first."""
        del self._from[:count]

    def scale(self, now: float, requests: float) -> None:
        """Ask for more at once, for fewer after a while."""
        config = self._config
        wanted = math.ceil(requests / config.target_ongoing_requests)
        wanted = min(max(wanted, config.min_replicas), config.max_replicas)
        if wanted > self.asked:
            self._from += [now + config.cold_start_seconds] * (wanted - self.asked)
        if wanted >= self.asked:
            self._too_many_since = None
            return
        self._too_many_since = now if self._too_many_since is None else self._too_many_since
        if now - self._too_many_since >= config.downscale_delay_seconds:
            del self._from[wanted:]  # the youngest, which may not even have begun
            self._too_many_since = None
