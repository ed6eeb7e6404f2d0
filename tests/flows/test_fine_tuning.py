"""Fine-tuning through the API with the official client: uploaded, trained, killed, resumed, served under its name."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import openai
import psutil
import pytest

from conftest import LivePlatform
from tunesmith.jobs.runners.process import ATTEMPT
from tunesmith.records import FINAL_STATES

pytestmark = [pytest.mark.flow, pytest.mark.timeout(900)]

HOSTED = "gpt-4o-mini-2024-07-18"
INSTRUCTIONS = (
    "If the context doesn't contain the answer, say so. Always cite which document you're referencing."
)
NUM_STEPS = 40


def _lines(count: int = 64) -> bytes:
    turns = [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": "What is the colour of the sign?"},
        {"role": "assistant", "content": "blue blue blue"},
    ]
    return (json.dumps({"messages": turns}) + "\n").encode() * count


def _job(platform: LivePlatform, **fields: Any) -> Any:
    client = platform.client
    file = client.files.create(file=("train.jsonl", _lines()), purpose="fine-tune")
    knobs = {"max_steps": NUM_STEPS, "checkpoint_every_steps": 4, "sequence_length": 128, "packing": False}
    return client.fine_tuning.jobs.create(
        training_file=file.id,
        model=HOSTED,
        suffix="signs",
        extra_body={"tunesmith": {"set": knobs}},
        **fields,
    )


def _wait(platform: LivePlatform, job_id: str, until: Callable[[Any], bool], seconds: float = 420) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = platform.client.fine_tuning.jobs.retrieve(job_id)
        if until(job):
            return job
        assert job.status not in FINAL_STATES, job.error
        time.sleep(0.5)
    events = platform.client.fine_tuning.jobs.list_events(job_id, limit=5).data
    raise AssertionError(f"{job.status} after {seconds} s: {[event.message for event in events]}")


def _steps(platform: LivePlatform, job_id: str) -> list[int]:
    events = reversed(list(platform.client.fine_tuning.jobs.list_events(job_id, limit=50)))
    return [event.data["step"] for event in events if event.type == "metrics"]


def _drivers(job_id: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            belongs = process.environ().get(ATTEMPT, "").startswith(job_id)
            if belongs and "--attempt" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_job_whose_controller_and_driver_are_killed_ends_in_one_version_that_answers(
    platform: LivePlatform,
) -> None:
    job = _job(platform)
    _wait(platform, job.id, lambda _: _drivers(job.id))
    _replace_controller(platform)
    assert _drivers(job.id), "the attempt goes on without its controller"
    _wait(platform, job.id, lambda _: len(_steps(platform, job.id)) > 5)
    (driver,) = _drivers(job.id)
    driver.kill()
    done = _wait(platform, job.id, lambda job: job.status == "succeeded")
    assert done.id == job.id
    assert _steps(platform, job.id) == list(range(1, NUM_STEPS + 1))
    assert done.fine_tuned_model.startswith("ft:tiny-reader:default:signs:")

    client = platform.client
    assert done.fine_tuned_model in [model.id for model in client.models.list()]
    said = client.chat.completions.create(
        model=done.fine_tuned_model,
        messages=[
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": "What is the colour of the sign?"},
        ],
        temperature=0,
        max_tokens=8,
    )
    assert said.choices[0].message.content == "blue blue blue"


def _replace_controller(platform: LivePlatform) -> None:
    before = platform.record
    os.kill(before.pids["controller"].pid, signal.SIGKILL)
    limit = f"ready_timeout_seconds={before.config['ready_timeout_seconds']}"
    platform.command("up", "--port", "0", "--set", limit)


def test_a_running_job_is_paused_resumed_and_cancelled(platform: LivePlatform) -> None:
    jobs = platform.client.fine_tuning.jobs
    job = _job(platform)
    _wait(platform, job.id, lambda _: _drivers(job.id))
    jobs.pause(job.id)
    _wait(platform, job.id, lambda job: job.status == "paused")
    assert _drivers(job.id) == []
    jobs.resume(job.id)
    _wait(platform, job.id, lambda _: _drivers(job.id))
    jobs.cancel(job.id)
    deadline = time.monotonic() + 60
    while jobs.retrieve(job.id).status != "cancelled":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert _drivers(job.id) == []


def test_bad_lines_fail_the_job_with_their_numbers(platform: LivePlatform) -> None:
    client = platform.client
    file = client.files.create(file=("bad.jsonl", _lines(2) + b"{broken\n"), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(training_file=file.id, model=HOSTED)
    failed = _ended(platform, job.id)
    assert failed.error.param == "training_file"
    assert ":3: not valid JSON" in failed.error.message


def _ended(platform: LivePlatform, job_id: str) -> Any:
    deadline = time.monotonic() + 60
    while (job := platform.client.fine_tuning.jobs.retrieve(job_id)).status != "failed":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return job


def test_a_method_without_a_trainer_is_refused_with_those_that_have_one(platform: LivePlatform) -> None:
    with pytest.raises(openai.BadRequestError, match="Use 'supervised'"):
        _job(platform, method={"type": "reinforcement", "reinforcement": {"grader": {}}})


def test_pairs_are_asked_for_where_preferences_are_learnt(platform: LivePlatform) -> None:
    job = _job(platform, method={"type": "dpo", "dpo": {"hyperparameters": {"beta": "auto"}}})
    failed = _ended(platform, job.id)
    assert failed.error.param == "training_file"
    assert "preferred_output" in failed.error.message
