"""Where a job stands in its life, seen from beside the platform; and a moment there that a seed chooses."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Literal, get_args

from tunesmith.config.home import Home
from tunesmith.jobs.events import read_events
from tunesmith.jobs.folders import attempt_folder, job_folder
from tunesmith.jobs.store import JobStore
from tunesmith.records import DEFAULT_PROJECT, FINAL_STATES, Job
from tunesmith.stores.database import Database, JobRow

NUM_STEPS, EVERY_STEPS = 16, 4
"""Of each job, and after how many of them it keeps a checkpoint."""
MOST_SECONDS = 600
"""A case that takes longer is stuck, also on a machine that does other things too."""
Phase = Literal["validating_files", "queued", "starting", "training", "committing", "publishing", "succeeded"]
PHASES: tuple[Phase, ...] = get_args(Phase)
_SPREAD_SECONDS: dict[Phase, float] = {
    "validating_files": 0.8,
    "queued": 0.8,
    "starting": 12.0,
    "training": 0.3,
    "committing": 3.0,
    "publishing": 1.5,
    "succeeded": 0.5,
}
"""About how long each lasts on two cores; in `training` the moment is a step, and a little more."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a life.

    Attributes:
        phase: not before it has begun.
        step: nor, in `training`, before this step.
        seconds: and so much later.
    """

    phase: Phase
    step: int
    seconds: float


def draw_moment(phase: Phase, chance: random.Random) -> Moment:
    """Choose a moment."""
    return Moment(phase, chance.randint(1, NUM_STEPS - 1), chance.uniform(0, _SPREAD_SECONDS[phase]))


class Life:
    """A job as its controller sees it: its row, and what its attempts note."""

    def __init__(self, home: Home, job_id: str) -> None:
        self.home, self.job_id = home, job_id
        self.database = Database(home.database_url)
        self.jobs = JobStore(self.database, DEFAULT_PROJECT)

    def job(self) -> Job:
        return self.jobs.job(self.job_id)

    def holder(self) -> str | None:
        """Which controller has it."""
        with self.database.session() as session:
            return session.get_one(JobRow, self.job_id).held_by

    def phase(self) -> Phase:
        job = self.job()
        match job.state:
            case "validating_files" | "queued" | "publishing":
                return job.state
            case "running":
                done = self._step(job)
                return "starting" if done == 0 else "training" if done < NUM_STEPS else "committing"
            case _:
                assert job.state in FINAL_STATES, job.state
                return "succeeded"

    def wait_for(self, moment: Moment) -> Phase:
        """Wait until it has come; answers where the job stands then, which may be further."""
        deadline = time.monotonic() + MOST_SECONDS
        while not self._has_come(moment):
            assert time.monotonic() < deadline, f"{self.job_id} is still {self.phase()}, not {moment.phase}"
            time.sleep(0.02)
        time.sleep(moment.seconds)
        return self.phase()

    def close(self) -> None:
        self.database.close()

    def _has_come(self, moment: Moment) -> bool:
        phase = self.phase()
        if phase == moment.phase == "training":
            return self._step(self.job()) >= moment.step
        return PHASES.index(phase) >= PHASES.index(moment.phase)

    def _step(self, job: Job) -> int:
        """The last step that its newest attempt has noted."""
        events = read_events(attempt_folder(job_folder(self.home, job), job.fence) / "events.jsonl").events
        return max((event["step"] for event in events if event["type"] == "step"), default=0)
