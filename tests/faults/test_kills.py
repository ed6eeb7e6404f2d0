"""Whatever is killed in a job's life, the job ends once, whole, under its name. `make soak` runs many more."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter

import pytest
from doubles import second_controller, second_gateway
from kills import draw_cases, run_case, start_controller
from live_platform import LivePlatform
from moments import Life, draw_moment
from owner import Owner
from victims import VICTIMS, Victim, kill, phases_of
from wholeness import require_whole

pytestmark = pytest.mark.timeout(900)

SEED = 108
"""A controller and a runner die while steps are made, the Ray head while the version is proved."""
CASES = {case.victim: case for case in draw_cases(len(VICTIMS), SEED)}


@pytest.mark.flow
@pytest.mark.slow
@pytest.mark.parametrize("victim", ["runner", "ray head"])
def test_a_kill_loses_doubles_and_halts_nothing(mortal: LivePlatform, victim: Victim) -> None:
    ended = run_case(mortal, CASES[victim])
    assert "was gone" not in ended.hit


@pytest.mark.flow
@pytest.mark.slow
def test_where_there_are_two_gateways_and_two_controllers_the_other_one_goes_on(mortal: LivePlatform) -> None:
    chance = random.Random(SEED)
    with second_gateway(mortal) as other, second_controller(mortal) as second:
        owner = Owner(mortal, mortal.client, other)
        life = Life(mortal.home, owner.job_id)
        life.wait_for(draw_moment(CASES["controller"].phase, chance))
        owner.look()
        own, holder = mortal.record.pids["controller"].pid, _pid_of(life.holder())
        assert holder in (own, second.pid)
        os.kill(holder, signal.SIGKILL)
        life.wait_for(draw_moment(CASES["gateway"].phase, chance))
        kill(mortal, "gateway", owner.job_id, chance)
        require_whole(mortal, owner, life)
        assert len(life.jobs.attempts(owner.job_id)) == 1, "the attempt went on under the other controller"
        life.close()
    if holder == own:
        start_controller(mortal)


def _pid_of(owner: str | None) -> int:
    """A controller is called by its machine, its process and a number by chance."""
    assert owner is not None
    return int(owner.split("-")[-2])


def test_a_series_is_drawn_by_its_seed_and_leaves_no_phase_out() -> None:
    cases = draw_cases(60, SEED)
    assert cases == draw_cases(60, SEED) != draw_cases(60, SEED + 1)
    assert cases[:12] == draw_cases(12, SEED)
    drawn = Counter((case.victim, case.phase) for case in cases)
    assert drawn.keys() == {(victim, phase) for victim in VICTIMS for phase in phases_of(victim)}
    assert set(drawn.values()) <= {2, 3, 5}
