"""Fine-tuning through the API with the official client: uploaded, trained, killed, resumed, served under its name."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import openai
import psutil
import pytest
from live_platform import LivePlatform

from tunesmith.jobs.runners.process import ATTEMPT
from tunesmith.records import FINAL_STATES
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry

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


def _pairs(count: int) -> bytes:
    """Of what the tuned version says, and of what it shall say."""
    line = json.loads(_lines(1))
    said = {
        "input": {"messages": line["messages"][:2]},
        "preferred_output": [{"role": "assistant", "content": "red"}],
        "non_preferred_output": line["messages"][2:],
    }
    return (json.dumps(said) + "\n").encode() * count


def _upload(platform: LivePlatform, lines: bytes) -> str:
    return platform.client.files.create(file=("lines.jsonl", lines), purpose="fine-tune").id


def _job(
    platform: LivePlatform,
    *,
    model: str = HOSTED,
    lines: bytes | None = None,
    steps: int = NUM_STEPS,
    more: dict[str, Any] | None = None,
    **fields: Any,
) -> Any:
    knobs = {
        "max_steps": steps,
        "checkpoint_every_steps": 4,
        "sequence_length": 128,
        "packing": False,
        **(more or {}),
    }
    return platform.client.fine_tuning.jobs.create(
        training_file=_upload(platform, lines or _lines()),
        model=model,
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


def _curve(platform: LivePlatform, job_id: str) -> list[dict[str, Any]]:
    events = reversed(list(platform.client.fine_tuning.jobs.list_events(job_id, limit=50)))
    return [event.data for event in events if event.type == "metrics"]


def _steps(platform: LivePlatform, job_id: str) -> list[int]:
    return [measured["step"] for measured in _curve(platform, job_id)]


def _say(platform: LivePlatform, model: str) -> str | None:
    said = platform.client.chat.completions.create(
        model=model,
        messages=[
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": "What is the colour of the sign?"},
        ],
        temperature=0,
        max_tokens=8,
    )
    return said.choices[0].message.content


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


@pytest.fixture(scope="module")
def trained(platform: LivePlatform) -> Any:
    """A job whose controller and driver were killed, and which has succeeded all the same."""
    job = _job(platform, validation_file=_upload(platform, _lines(5)), seed=7)
    _wait(platform, job.id, lambda _: _drivers(job.id))
    _replace_controller(platform)
    assert _drivers(job.id), "the attempt goes on without its controller"
    _wait(platform, job.id, lambda _: len(_steps(platform, job.id)) > 5)
    assert platform.client.fine_tuning.jobs.retrieve(job.id).estimated_finish > time.time() - 5
    (driver,) = _drivers(job.id)
    driver.kill()
    return _wait(platform, job.id, lambda job: job.status == "succeeded")


def test_a_job_whose_controller_and_driver_are_killed_ends_in_one_version_that_answers(
    platform: LivePlatform, trained: Any
) -> None:
    assert _steps(platform, trained.id) == list(range(1, NUM_STEPS + 1))
    assert trained.fine_tuned_model.startswith("ft:tiny-reader:default:signs:")
    assert (trained.seed, trained.estimated_finish) == (7, None)
    assert trained.fine_tuned_model in [model.id for model in platform.client.models.list()]
    assert _say(platform, trained.fine_tuned_model) == "blue blue blue"


def test_a_job_is_measured_on_its_validation_file_while_it_trains(
    platform: LivePlatform, trained: Any
) -> None:
    curve = _curve(platform, trained.id)
    measured = [each for each in curve if "valid_loss" in each]
    assert [each["step"] for each in measured] == list(range(4, NUM_STEPS + 1, 4))
    # The file repeats what the job learns from.
    assert measured[-1]["valid_loss"] < measured[0]["valid_loss"] / 2
    assert measured[-1]["valid_mean_token_accuracy"] == 1
    (file_id,) = trained.result_files
    table = list(csv.DictReader(io.StringIO(platform.client.files.content(file_id).text)))
    assert list(table[0])[:5] == [
        "step",
        "train_loss",
        "train_mean_token_accuracy",
        "valid_loss",
        "valid_mean_token_accuracy",
    ]
    assert (table[2]["valid_loss"], float(table[3]["valid_loss"])) == ("", curve[3]["valid_loss"])


def test_checkpoints_answer_under_names_of_their_own(platform: LivePlatform, trained: Any) -> None:
    found = platform.client.fine_tuning.jobs.checkpoints.list(trained.id).data
    assert [each.step_number for each in found] == [NUM_STEPS, NUM_STEPS - 4, NUM_STEPS - 8]
    names = [each.fine_tuned_model_checkpoint for each in found]
    assert names[0] == f"{trained.fine_tuned_model}:ckpt-step-{NUM_STEPS}"
    assert set(names) < {model.id for model in platform.client.models.list()}
    assert [_say(platform, name) for name in names[:2]] == ["blue blue blue"] * 2
    curve = _curve(platform, trained.id)
    assert found[1].metrics.train_loss == curve[NUM_STEPS - 5]["train_loss"]
    assert found[1].metrics.full_valid_loss == curve[NUM_STEPS - 5]["valid_loss"]


def test_preferences_are_learnt_on_top_of_a_tuned_version(platform: LivePlatform, trained: Any) -> None:
    start = trained.fine_tuned_model
    hyperparameters = {"beta": 0.5, "batch_size": 4, "learning_rate_multiplier": 4}
    job = _job(
        platform,
        model=start,
        lines=_pairs(16),
        steps=6,
        more={"warmup_steps": 0},
        validation_file=_upload(platform, _pairs(3)),
        method={"type": "dpo", "dpo": {"hyperparameters": hyperparameters}},
    )
    assert (job.model, job.method.dpo.hyperparameters.beta) == (start, 0.5)
    done = _wait(platform, job.id, lambda job: job.status == "succeeded")
    curve = _curve(platform, job.id)
    assert len(curve) == 6
    # What it is held against is the version that it began as, not the base.
    assert curve[0]["train_loss"] == pytest.approx(math.log(2), abs=0.02)
    assert curve[0]["reward_margin"] == pytest.approx(0, abs=0.05)
    measured = [each for each in curve if "valid_loss" in each]
    assert [each["step"] for each in measured] == [4, 6]
    assert measured[-1]["valid_reward_margin"] > 0.1
    assert measured[-1]["valid_loss"] < math.log(2)
    registry = Registry(open_home_database(platform.home), "default")
    assert registry.version(done.fine_tuned_model).lineage.parent == start
    assert _say(platform, done.fine_tuned_model) is not None
    assert _say(platform, start) == "blue blue blue"


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
