"""Stands in for `tunesmith train --attempt FOLDER`: notes what a run notes, from the newest checkpoint on."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

from tunesmith.jobs.events import append_event, read_events

NUM_STEPS, EVERY_STEPS = 12, 3
_SECONDS_PER_STEP = 0.05


def main() -> None:
    folder = Path(sys.argv[sys.argv.index("--attempt") + 1])
    note = partial(append_event, folder / "events.jsonl")
    earlier = [
        event for path in folder.parent.glob("attempt-*/events.jsonl") for event in read_events(path).events
    ]
    begun = max((event["step"] for event in earlier if event["type"] == "checkpoint"), default=0)
    note("prepared", num_examples=1, num_tokens=1, num_rows=1, num_steps=NUM_STEPS, data_hash="abc")
    note("engine", engine="None", zero_stage=0, world_size=1, resumed_from=begun)
    for step in range(begun + 1, NUM_STEPS + 1):
        time.sleep(_SECONDS_PER_STEP)
        note("step", step=step, values={"loss": 1 / step, "tokens": step})
        if step % EVERY_STEPS == 0:
            note("checkpoint", step=step)
    note("ended", outcome="trained")


if __name__ == "__main__":
    main()
