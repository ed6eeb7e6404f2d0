"""A user's program: `begin`, `pause ID`, `resume ID`, `reach ID STEP`, `wait ID STATUS`; its last line is JSON.

It runs as `python -c`, with what the image holds: the official client, an address and a key.
"""

import json
import sys
import time
from typing import Any

import openai

STEPS = 2000
"""Minutes also on a fast machine: a pod that pauses it takes a while to start."""
POLL_SECONDS = 2.0
ENDED = ("succeeded", "failed", "cancelled")


def begin(client: Any) -> dict[str, Any]:
    """Start a job that takes minutes, and wait until it has trained for a while."""
    turns = [{"role": "user", "content": "Colour?"}, {"role": "assistant", "content": "blue"}]
    lines = (json.dumps({"messages": turns}) + "\n").encode() * 64
    file = client.files.create(file=("examples.jsonl", lines), purpose="fine-tune")
    knobs = {"max_steps": STEPS, "sequence_length": 64, "checkpoint_every_steps": 50}
    job = client.fine_tuning.jobs.create(
        model=client.models.list().data[0].id,
        training_file=file.id,
        suffix="cluster-test",
        extra_body={"tunesmith": {"set": knobs}},
    )
    return reach(client, job.id, "60")


def pause(client: Any, job: str) -> dict[str, Any]:
    """Pause a job, and wait until it is."""
    client.fine_tuning.jobs.pause(job)
    return wait(client, job, "paused")


def resume(client: Any, job: str) -> dict[str, Any]:
    """Resume a job, and wait until it trains."""
    client.fine_tuning.jobs.resume(job)
    return wait(client, job, "running")


def reach(client: Any, job: str, step: str) -> dict[str, Any]:
    """Wait until a job has made a step, or has ended."""
    while (found := client.fine_tuning.jobs.retrieve(job)).status not in ENDED and newest(client, job) < int(
        step
    ):
        time.sleep(POLL_SECONDS)
    return told(client, found)


def wait(client: Any, job: str, status: str) -> dict[str, Any]:
    """Wait until a job stands as wanted, or has ended."""
    while (found := client.fine_tuning.jobs.retrieve(job)).status not in (status, *ENDED):
        time.sleep(POLL_SECONDS)
    return told(client, found)


def told(client: Any, job: Any) -> dict[str, Any]:
    """What the tests ask about a job."""
    return {
        "id": job.id,
        "status": job.status,
        "steps": steps(client, job.id),
        "error": job.error.message if job.error and job.error.message else None,
    }


def steps(client: Any, job: str) -> list[int]:
    """The steps that the job's events tell of, the first one first."""
    events = client.fine_tuning.jobs.list_events(job, limit=100)
    return [event.data["step"] for event in events if event.type == "metrics"][::-1]


def newest(client: Any, job: str) -> int:
    """The last step that was told of."""
    events = client.fine_tuning.jobs.list_events(job, limit=20).data
    return max((event.data["step"] for event in events if event.type == "metrics"), default=0)


COMMANDS = {"begin": begin, "pause": pause, "reach": reach, "resume": resume, "wait": wait}

if __name__ == "__main__":
    _, command, *rest = sys.argv
    print(json.dumps(COMMANDS[command](openai.OpenAI(max_retries=10), *rest)))
