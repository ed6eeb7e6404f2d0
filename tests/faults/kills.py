"""One case: a job is asked for, something is killed at a moment of its life, and the job must end as if nothing were.

A case is a number and a seed: they say what is killed, in which phase, and how far into it.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from live_platform import LivePlatform
from moments import MOST_SECONDS, Life, Phase, draw_moment
from owner import Owner
from victims import VICTIMS, Victim, kill, phases_of
from wholeness import require_whole

from tunesmith.stores.state_file import read_state


@dataclass(frozen=True, slots=True)
class Case:
    """What shall be killed, and when.

    Attributes:
        number: of the case in its series.
        seed: of the series.
        victim: what is killed.
        phase: of the job's life.
    """

    number: int
    seed: int
    victim: Victim
    phase: Phase


@dataclass(frozen=True, slots=True)
class Ended:
    """How a case ended.

    Attributes:
        hit: which processes were killed.
        phase: where the job stood at that moment.
        attempts: how each attempt at the job ended.
        seconds: from the request to the answer of its model.
    """

    hit: str
    phase: Phase
    attempts: tuple[str | None, ...]
    seconds: float


def draw_cases(count: int, seed: int) -> list[Case]:
    """Choose a series: each victim in turn, each of its phases as often as any other, in an order by chance."""
    chance = random.Random(seed)
    phases: dict[Victim, list[Phase]] = {victim: [] for victim in VICTIMS}
    cases = []
    for number in range(1, count + 1):
        victim = VICTIMS[(number - 1) % len(VICTIMS)]
        if not phases[victim]:
            phases[victim] = chance.sample(phases_of(victim), len(phases_of(victim)))
        cases.append(Case(number, seed, victim, phases[victim].pop()))
    return cases


def run_case(platform: LivePlatform, case: Case) -> Ended:
    """Run one case; what is not as it must be is an AssertionError."""
    chance = random.Random(f"{case.seed} {case.number}")
    _wait_until_ready(platform)
    began, owner = time.monotonic(), Owner(platform)
    life = Life(platform.home, owner.job_id)
    try:
        life.wait_for(draw_moment(case.phase, chance))
        owner.look()
        phase = life.phase()
        hit = kill(platform, case.victim, owner.job_id, chance)
        if case.victim == "controller":
            start_controller(platform)
        require_whole(platform, owner, life)
        attempts = tuple(attempt.outcome for attempt in life.jobs.attempts(owner.job_id))
        return Ended(hit, phase, attempts, time.monotonic() - began)
    finally:
        life.close()


def start_controller(platform: LivePlatform) -> None:
    """Nobody watches the watcher on one machine: a person types `up` again, as before, and finds all as it was."""
    before, config = platform.record, platform.record.config
    limit = f"ready_timeout_seconds={config['ready_timeout_seconds']}"
    platform.command("up", "--port", str(config["port"]), "--set", limit)
    assert platform.record.instance == before.instance
    assert platform.record.pids["controller"] != before.pids["controller"]


def _wait_until_ready(platform: LivePlatform) -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while not ((state := read_state(platform.record.state_file)) and state.ready):
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
