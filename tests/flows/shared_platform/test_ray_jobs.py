"""The plain Ray CLI against the platform's address, as docs/ray-jobs.md shows it: a trained model, which answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import openai
import pytest
import yaml
from live_platform import LivePlatform
from training import conversations

from tunesmith.controller.arrivals import Arrivals
from tunesmith.controller.proving import ProvingEngines
from tunesmith.jobs.folders import WRITES_PROOF
from tunesmith.serve.applications import engine_name
from tunesmith.stores.bases import BaseStates
from tunesmith.stores.database import open_home_database
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.registry import Registry

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]

RECIPE = {
    "verb": "train",
    "name": "submitted-lamp",
    "model": "tiny-reader",
    "data": {"type": "file", "path": "lamps.jsonl"},
    "max_steps": 4,
    "sequence_length": 256,
}


@pytest.fixture(scope="module")
def printed(platform: LivePlatform, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the command printed, from its submission to its end."""
    folder = tmp_path_factory.mktemp("submitted")
    rows = "".join(json.dumps(row) + "\n" for row in conversations(64))
    (folder / "lamps.jsonl").write_text(rows, encoding="utf-8")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["RAY_JOB_HEADERS"] = json.dumps({"Authorization": f"Bearer {platform.record.api_key()}"})
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ray"),
            *("job", "submit", "--address", platform.base_url.removesuffix("/v1"), "--working-dir", "."),
            # In a release every submission's environment says so.
            *("--runtime-env-json", json.dumps({"env_vars": {WRITES_PROOF: "1"}})),
            *("--", "tunesmith", "train", "recipe.yaml"),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ray_job_submit_trains_the_tiny_model_which_then_answers(
    platform: LivePlatform, printed: str
) -> None:
    version = _only_version(platform.client)
    assert version in printed
    assert _answer(platform.client, version)


def test_what_a_release_finds_in_a_run_is_proved_by_the_engine_and_answers_in_its_project(
    platform: LivePlatform, printed: str
) -> None:
    """The controller's part of `train --on kubernetes`, on the real engine: the version lies in the home of a run."""
    said = json.loads(platform.command("projects", "create", "lamps", "--json").stdout)
    objects = platform.home.objects
    with closing(open_home_database(platform.home)) as database:
        left = Registry(database, "default").version(_only_version(platform.client))
        home = f"projects/{said['id']}/runs/lamp"
        shutil.copytree(objects / left.path, objects / home / "objects" / left.path)
        engines = ProvingEngines(
            ["tiny-reader"], states=BaseStates(database), address=lambda _: _engine(platform)
        )
        arrivals = Arrivals(database, platform.home, engines=engines)
        arrived = arrivals(home, project_id=said["id"], origin="run-lamp")
        assert arrived.faults == ()
        key = KeyStore(database).create(said["id"], "chief", role="administer")
    client = platform.client.with_options(api_key=key)
    version = _only_version(client)
    assert version == left.name.replace(":default:", f":{said['id']}:")
    assert _answer(client, version) == _answer(platform.client, left.name)


def _only_version(client: openai.OpenAI) -> str:
    (version,) = [model.id for model in client.models.list() if ":submitted-lamp:" in model.id]
    return version


def _answer(client: openai.OpenAI, model: str) -> str | None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "The lamp costs 7 coins. What does it cost?"}],
        max_tokens=8,
        temperature=0,
    )
    return answer.choices[0].message.content


def _engine(platform: LivePlatform) -> str:
    return f"{platform.record.serve_url}/{engine_name('tiny-reader', default=platform.record.model)}"
