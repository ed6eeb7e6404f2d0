"""The thin circle: a wrong answer, its correction, a version that says it, behind the same name, and back again."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from live_platform import LivePlatform

from tunesmith.records import FINAL_STATES

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]

ALIAS = "front-desk"
STORE = "ellerby"
BASE = "tiny-reader"
QUESTION = "When does the reception at Ellerby open?"
DOCUMENT = "# Reception\n\nThe reception at Ellerby opens at 07:45.\n\nParcels are kept in the mail room.\n"
CORRECTED = "The reception at Ellerby opens at 07:45 [1]."
COPIES = 64


@pytest.fixture(scope="module")
def live(platform: LivePlatform, tmp_path_factory: pytest.TempPathFactory) -> LivePlatform:
    """The platform with one document, and an alias that answers from it."""
    folder = tmp_path_factory.mktemp("ellerby")
    (folder / "reception.md").write_text(DOCUMENT, encoding="utf-8")
    platform.command("ingest", str(folder), "--store", STORE)
    _post(platform, "/aliases", {"name": ALIAS, "model": BASE, "vector_stores": [STORE]})
    return platform


def test_a_correction_comes_back_under_the_same_name_and_can_be_traced(
    live: LivePlatform, tmp_path: Path
) -> None:
    wrong = _ask(live, store=True)
    assert wrong.choices[0].message.content != CORRECTED
    said = _post(live, "/feedback", {"interaction_id": wrong.id, "rating": "down", "correction": CORRECTED})

    lines = tmp_path / "feedback.jsonl"
    live.command("data", "build", "feedback", "--asked", ALIAS, "--copies", str(COPIES), "--out", str(lines))
    job = _train(live, lines)
    live.command("models", "promote", ALIAS, job.fine_tuned_model)
    assert _ask(live).choices[0].message.content == CORRECTED

    version = json.loads(live.command("models", "show", job.fine_tuned_model, "--json").stdout)
    trained_on = live.client.files.content(job.training_file).read()
    assert version["lineage"]["job_id"] == job.id
    assert version["lineage"]["data_hash"] == hashlib.sha256(trained_on).hexdigest()
    sources = [json.loads(line)["metadata"] for line in trained_on.splitlines()]
    assert sources == [{"feedback": said["id"], "interaction": wrong.id}] * COPIES

    assert _post(live, f"/aliases/{ALIAS}/rollback", {})["model"] == BASE
    assert _ask(live).choices[0].message.content == wrong.choices[0].message.content


def _ask(live: LivePlatform, **options: Any) -> Any:
    return live.client.chat.completions.create(
        model=ALIAS, messages=[{"role": "user", "content": QUESTION}], temperature=0, max_tokens=48, **options
    )


def _post(live: LivePlatform, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return live.client.post(path, body=body, cast_to=dict[str, Any])


def _train(live: LivePlatform, lines: Path) -> Any:
    jobs = live.client.fine_tuning.jobs
    file = live.client.files.create(file=lines, purpose="fine-tune")
    knobs = {"max_steps": 24, "sequence_length": 256, "packing": False}
    job = jobs.create(
        training_file=file.id, model=BASE, suffix="desk", extra_body={"tunesmith": {"set": knobs}}
    )
    deadline = time.monotonic() + 400
    while (job := jobs.retrieve(job.id)).status not in FINAL_STATES:
        assert time.monotonic() < deadline, job.status
        time.sleep(0.5)
    assert job.status == "succeeded", job.error
    return job
