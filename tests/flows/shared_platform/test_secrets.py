"""Secrets on a running platform: what a submission is given, and that keys stand in no log, list, error or table."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import hunter
import psutil
import pytest
from live_platform import LivePlatform

from tunesmith.controller.processes import PART, processes_of
from tunesmith.stores.database import Base, open_home_database

from .conftest import PLANTED

pytestmark = pytest.mark.flow

SUBMISSION = (
    "import json, ray, hunter\n"
    "ray.init()\n"
    "print('cpus', ray.cluster_resources()['CPU'])\n"
    "print(hunter.SAID + json.dumps(hunter.hunt([])))\n"
)
CONTROL_PLANE = {"controller", "gateway", "indexer"}


@pytest.fixture(scope="module")
def theirs(platform: LivePlatform) -> str:
    """A key of another project, which holds a file too."""
    project = json.loads(platform.command("projects", "create", "Hunted", "--json").stdout)["id"]
    made = platform.command("keys", "create", "theirs", "--project", project, "--json")
    key: str = json.loads(made.stdout)["key"]
    with httpx.Client(base_url=platform.base_url, headers=_bearer(key), trust_env=False) as http:
        document = {"file": ("a.txt", b"planted-document-0123456789ab")}
        assert http.post("/files", files=document, data={"purpose": "assistants"}).status_code == 200
    return key


def test_a_ray_job_submitted_with_an_administrators_key_is_given_no_secret(
    platform: LivePlatform, theirs: str, tmp_path: Path
) -> None:
    shutil.copy(hunter.__file__, tmp_path)
    (tmp_path / "job.py").write_text(SUBMISSION)
    origin, key = platform.base_url.removesuffix("/v1"), platform.record.api_key()
    # No token of Ray's and no address of its dashboard: what a laptop would have.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["RAY_JOB_HEADERS"] = json.dumps(_bearer(key))
    submit = ["job", "submit", "--address", origin, "--working-dir", str(tmp_path), "--", "python", "job.py"]
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ray"), *submit],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "default.raysubmit_" in done.stdout
    assert f"cpus {platform.ray_cpus}" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(hunter.SAID)]
    found = json.loads(line.removeprefix(hunter.SAID))
    assert found["given"] == {}
    _require_no_more_than_the_page_says(platform, found["reach"])
    assert hunter.digest(theirs) not in line
    assert platform.record.ray_token_file.read_text(encoding="ascii") not in done.stdout + done.stderr


def _require_no_more_than_the_page_says(platform: LivePlatform, reach: dict[str, list[str]]) -> None:
    """docs/keys.md: what one Unix user cannot hide from itself is the administrator's key, objects, and the environment
    of the control plane."""
    home = {place.removeprefix("home ") for place in reach if place.startswith("home ")}
    assert "admin.key" in home
    assert {place for place in home if not place.startswith("objects/")} == {"admin.key"}
    holders = {
        int(place.split()[1])
        for place, loot in reach.items()
        if place.startswith("process ") and set(loot) & {hunter.digest(one) for one in PLANTED.values()}
    }
    trusted = {pid for part in CONTROL_PLANE for pid in _pids(platform, part)}
    assert holders
    assert holders <= trusted


def _pids(platform: LivePlatform, part: str) -> set[int]:
    return {process.pid for process in processes_of(platform.home.root, part=part)}


def test_keys_stand_in_no_log_no_process_list_no_error_and_no_table(
    platform: LivePlatform, theirs: str
) -> None:
    admin = platform.record.api_key()
    with httpx.Client(
        base_url=platform.base_url, headers=_bearer(admin), trust_env=False, timeout=60
    ) as http:
        account = http.post("/organization/projects/default/service_accounts", json={"name": "bot"}).json()
        keys = [admin, theirs, account["api_key"]["value"]]
        answers = [answer for key in keys for answer in _misused(http, key)]
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 404}
    secret = [*(key.removeprefix("sk-ts-") for key in keys), *PLANTED.values()]
    told = "".join(answer.text + str(answer.headers) for answer in answers)
    assert [one for one in secret if one in told] == []

    kept = {platform.home.admin_key_file}
    for folder in {platform.home.root, platform.record.ray_temp_dir}:
        for path in folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # Ray's come and go
                content = path.read_bytes() if path.is_file() and path not in kept else b""
                assert [one for one in secret if one.encode() in content] == [], path

    for process in processes_of(platform.home.root):
        with contextlib.suppress(psutil.NoSuchProcess):
            shown = " ".join(process.cmdline())
            if process.environ().get(PART) not in CONTROL_PLANE:
                shown += str(process.environ())
            assert [one for one in secret if one in shown] == [], process

    database = open_home_database(platform.home)
    with database.session() as session:
        rows = [str(row) for table in Base.metadata.sorted_tables for row in session.execute(table.select())]
    database.close()
    assert any("Hunted" in row for row in rows)
    assert [row for row in rows if any(one in row for one in secret)] == []


def _misused(http: httpx.Client, key: str) -> list[httpx.Response]:
    """What people do with a key by mistake, and what programs do with it rightly."""
    chat = {"model": key, "messages": [{"role": "user", "content": "x"}]}
    return [
        http.get("/models", headers=_bearer(key)),
        http.get("/models", headers=_bearer(f"{key}x")),
        http.get("/models", headers={"Authorization": f"Basic {key}"}),
        http.get("/models", headers={"Authorization": key}),
        http.get("/models", params={"api_key": key}),
        http.get("/models", headers={"x-request-id": key}),
        http.get("/models", headers={"OpenAI-Project": key}),
        http.get(f"/models/{key}"),
        http.get(f"/{key}"),
        http.get("/files", params={"after": key}),
        http.post("/chat/completions", json=chat),
        http.post("/fine_tuning/jobs", json={"model": key, "training_file": key}),
        http.post("/chat/completions", content=f'{{"model": "{key}"'.encode()),
    ]


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
