"""A job that trains every weight: its version is served by an engine of its own, until it is deleted."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import openai
import pytest
from live_platform import LivePlatform

from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import Database

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]

QUESTION = "What is the colour of the sign?"
TURNS = [{"role": "user", "content": QUESTION}]
LINE = json.dumps({"messages": [*TURNS, {"role": "assistant", "content": "blue blue blue"}]}) + "\n"


def test_a_whole_model_gets_an_engine_beside_the_base_and_takes_it_along_when_it_is_deleted(
    platform: LivePlatform,
) -> None:
    client = platform.client.with_options(max_retries=5)
    before = _say(client, "tiny-reader")
    file = client.files.create(file=("train.jsonl", LINE.encode() * 32), purpose="fine-tune")
    knobs = {"max_steps": 12, "sequence_length": 128, "packing": False, "learning_rate": 1e-3}
    job = client.fine_tuning.jobs.create(
        training_file=file.id,
        model="tiny-reader",
        suffix="whole",
        extra_body={"tunesmith": {"recipe": "api/full", "set": knobs}},
    )
    name = _succeeded(client, job.id)
    assert name in [model.id for model in client.models.list()]
    assert _say(client, name) == "blue blue blue"
    assert _states(platform) == {"tiny-reader": "ready", name: "ready"}
    assert len(_engines(platform)) == 2
    assert _say(client, "tiny-reader") == before

    client.models.delete(name)
    with pytest.raises(openai.NotFoundError):
        _say(client, name)
    _until(lambda: _states(platform) == {"tiny-reader": "ready"})
    _until(lambda: _engines(platform) == ["engine"])


def _succeeded(client: openai.OpenAI, job_id: str) -> str:
    deadline = time.monotonic() + 420
    while (job := client.fine_tuning.jobs.retrieve(job_id)).status not in ("succeeded", "failed"):
        assert time.monotonic() < deadline, client.fine_tuning.jobs.list_events(job_id, limit=5).data
        time.sleep(0.5)
    assert job.status == "succeeded", job.error
    assert job.fine_tuned_model
    return str(job.fine_tuned_model)


def _say(client: openai.OpenAI, model: str) -> str | None:
    answer = client.chat.completions.create(
        model=model,
        messages=TURNS,  # type: ignore[arg-type]
        temperature=0,
        max_tokens=8,
    )
    return answer.choices[0].message.content


def _states(platform: LivePlatform) -> dict[str, str]:
    database = Database(platform.home.database_url)
    try:
        return {base.model: base.state for base in BaseStates(database).all()}
    finally:
        database.close()


def _engines(platform: LivePlatform) -> list[str]:
    record = platform.record
    token = record.ray_token_file.read_text(encoding="ascii").strip()
    url, headers = f"{record.ray_dashboard}/api/serve/applications/", {"Authorization": f"Bearer {token}"}
    applications: dict[str, Any] = httpx.get(url, headers=headers, timeout=60).json()["applications"]
    return [name for name in applications if name.startswith("engine")]


def _until(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)
