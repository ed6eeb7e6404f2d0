"""An attempt at a job, started as the controller starts it, hunts for other projects' data and for credentials."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import hunter
import pytest
from job_world import GOOD_LINE, World

from tunesmith.config.serve import ServeConfig
from tunesmith.controller.attempts import attempt_starter
from tunesmith.controller.credentials import keep_database_url
from tunesmith.controller.jobs import JobController
from tunesmith.controller.plan import plan_platform
from tunesmith.jobs.folders import attempt_folder, job_folder
from tunesmith.jobs.queue import JobQueue
from tunesmith.jobs.runners.process import ProcessRunner
from tunesmith.stores.files import FileStore
from tunesmith.stores.keys import KeyStore, ensure_admin_key
from tunesmith.stores.platform_file import RunningPlatform

SHELL = {
    "AWS_ACCESS_KEY_ID": "planted-access-0123456789ab",
    "AWS_SECRET_ACCESS_KEY": "planted-s3-0123456789ab",
    "PGPASSWORD": "planted-password-0123456789ab",
    "SOME_VAULT_TOKEN": "planted-vault-0123456789ab",
    "OPENAI_API_KEY": "planted-openai-0123456789ab",
    "REPORTS_URL": "postgresql://reader:planted-reports-0123456789ab@db/reports",
    "TUNESMITH_DATABASE_URL": "postgresql://tunesmith:planted-database-0123456789ab@db/tunesmith",
}
"""What the shell held in which the platform was brought up."""
SECRET = "planted-document-0123456789ab"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A home in which `acme` has a key and a file."""
    world = World(tmp_path / "home")
    world.submit(GOOD_LINE.replace('"a"', f'"{SECRET}"'), project="acme")
    KeyStore(world.database).create("acme", "theirs")
    ensure_admin_key(world.home, KeyStore(world.database), "default")
    FileStore(world.database, world.objects, "acme").create(
        [SECRET.encode()], filename="a.txt", purpose="assistants"
    )
    return world


@pytest.fixture
def platform(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningPlatform]:
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    keep_database_url(world.home)
    planned = plan_platform(world.home, ServeConfig(port=0))
    yield planned
    shutil.rmtree(planned.ray_temp_dir, ignore_errors=True)


@pytest.fixture
def found(world: World, platform: RunningPlatform) -> Iterator[dict[str, dict[str, list[str]]]]:
    """What an attempt at a job of `default` found."""
    start = attempt_starter(platform)

    def hunting(command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        return start([sys.executable, hunter.__file__, *command[command.index("train") :]], environment, log)

    runner = ProcessRunner(world.home.root, start=hunting)
    queue = JobQueue(world.database, owner="hunted")
    controller = JobController(
        world.database,
        world.objects,
        queue=queue,
        home=world.home,
        runner=runner,
        publish=world.publish,
        config=world.config.model_copy(update={"max_running": 2}),
    )
    job = world.tick_until(world.submit(), "running", controller)
    folder = attempt_folder(job_folder(world.home, job), job.fence)
    deadline = time.monotonic() + 60
    while not (folder / hunter.REPORT).exists():
        assert time.monotonic() < deadline, (folder / "driver.log").read_text()
        time.sleep(0.05)
    yield json.loads((folder / hunter.REPORT).read_text())
    controller.stop_attempts()


def test_an_attempt_is_given_no_credential_and_nothing_of_another_project(
    found: dict[str, dict[str, list[str]]],
) -> None:
    assert found["given"] == {}


def test_what_an_attempt_can_read_as_the_platforms_user_is_what_the_page_says(
    found: dict[str, dict[str, list[str]]], world: World
) -> None:
    """docs/keys.md says what one Unix user cannot hide from itself; whatever is added to it stands there too."""
    reach = found["reach"].items()
    places = {place.removeprefix("home "): loot for place, loot in reach if place.startswith("home ")}
    kinds = {"admin.key", "run/database.url", "objects/projects/acme/..."}
    seen = {
        f"{'/'.join(place.split('/')[:3])}/..." if place.startswith("objects/") else place for place in places
    }
    assert seen == kinds
    (admin,) = places["admin.key"]
    assert admin == hunter.digest(world.home.admin_key_file.read_text().strip())
    page = (Path(__file__).parents[3] / "docs" / "keys.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in ("admin.key", "run/database.url", "objects/"))


def test_what_holds_secrets_is_for_the_eyes_of_its_owner_alone(
    world: World, platform: RunningPlatform
) -> None:
    assert world.home.root.stat().st_mode & 0o077 == 0
    for path in (world.home.admin_key_file, world.home.database_url_file, platform.ray_token_file):
        assert path.stat().st_mode & 0o777 == 0o600
