"""The official Python SDK on a live gateway, as far as no engine is needed: each method of these resources, each body
and each error body held against the OpenAI specification as it comes over the wire. The others are in
`tests/flows/shared_platform/test_python_sdk.py`. The tests share one ear; the last one looks back at what it heard.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tunesmith.records import DEFAULT_PROJECT, Lineage, ModelVersion
from tunesmith.stores.database import Database, JobRow
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.registry import Registry

from .openapi import load_spec
from .sdk import Ear
from .sdk_surface import WITHOUT_ENGINE, served

BASE, HOSTED = "tiny-reader", "gpt-4o-mini-2024-07-18"
LEAVE = b"# Leave at Thornby\n\nFull-time staff at Thornby receive 29 days of leave each year.\n"
EXAMPLE = {"messages": [{"role": "user", "content": "Days?"}, {"role": "assistant", "content": "29 days."}]}


@pytest.fixture(scope="module")
def ear() -> Ear:
    return Ear(load_spec())


@pytest.fixture
def client(ear: Ear, gateway_url: str, database: Database) -> Iterator[openai.OpenAI]:
    key = KeyStore(database).create("default", "chief", role="administer", of_organisation=True)
    with ear.client(api_key=key, admin_api_key=key, base_url=f"{gateway_url}/v1") as opened:
        yield opened


@pytest.fixture
def sdk(ear: Ear, client: openai.OpenAI) -> Any:
    """The official client, watched."""
    return ear.watched(client)


def test_models(sdk: Any, database: Database) -> None:
    tuned = _register(database)
    assert {BASE, tuned} <= {model.id for model in sdk.models.list()}
    assert sdk.models.retrieve(tuned).owned_by
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        sdk.models.retrieve("nobody")
    with pytest.raises(openai.PermissionDeniedError):
        sdk.models.delete(BASE)
    assert sdk.models.delete(tuned).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.models.delete(tuned)


def _register(database: Database) -> str:
    name = f"ft:{BASE}:{DEFAULT_PROJECT}:sdk:5d4a01"
    lineage = Lineage(BASE, "0" * 64, {}, 11, {}, "0", "ftjob-5d4a01")
    version = ModelVersion(name, DEFAULT_PROJECT, BASE, "adapter", "models/5d4a01", int(time.time()), lineage)
    return Registry(database, DEFAULT_PROJECT).register(version).name


def test_files(sdk: Any) -> None:
    kept = sdk.files.create(file=("leave.md", LEAVE), purpose="assistants")
    passing = sdk.files.create(
        file=("later.md", LEAVE), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert passing.expires_at == passing.created_at + 3600
    assert sdk.files.wait_for_processing(kept.id).status == "processed"
    assert sdk.files.retrieve(kept.id) == kept
    assert {kept.id, passing.id} <= {file.id for file in sdk.files.list(limit=1)}
    assert [file.purpose for file in sdk.files.list(purpose="user_data", order="asc")] == ["user_data"]
    assert sdk.files.list(purpose="vision").data == []
    assert sdk.files.content(kept.id).read() == LEAVE
    with pytest.warns(DeprecationWarning, match="content"):
        assert sdk.files.retrieve_content(kept.id) == LEAVE.decode()
    for file in (kept, passing):
        assert sdk.files.delete(file.id).deleted
    for call in (sdk.files.retrieve, sdk.files.content, sdk.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(kept.id)
    for wrong in (
        {"purpose": "fun"},
        {"purpose": "vision", "expires_after": {"anchor": "created_at", "seconds": 1}},
    ):
        with pytest.raises(openai.BadRequestError):
            sdk.files.create(file=("a", b"a"), **wrong)
    with pytest.raises(openai.BadRequestError):
        sdk.files.list(after="nobody")


def test_uploads(sdk: Any) -> None:
    asked = {"filename": "a.jsonl", "bytes": 6, "mime_type": "text/jsonl", "purpose": "fine-tune"}
    upload = sdk.uploads.create(**asked)
    one, two = (sdk.uploads.parts.create(upload.id, data=data).id for data in (b"def", b"abc"))
    with pytest.raises(openai.BadRequestError):
        sdk.uploads.complete(upload.id, part_ids=[one])
    done = sdk.uploads.complete(upload.id, part_ids=[two, one])
    assert (done.status, sdk.files.content(done.file.id).read()) == ("completed", b"abcdef")
    given_up = sdk.uploads.create(**asked)
    assert sdk.uploads.cancel(given_up.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError):
        sdk.uploads.parts.create(given_up.id, data=b"abc")
    with pytest.raises(openai.NotFoundError):
        sdk.uploads.complete("upload_nobody", part_ids=[])
    with pytest.raises(openai.BadRequestError):
        sdk.uploads.create(**asked | {"bytes": -1})
    chunked = sdk.uploads.upload_file_chunked(
        file=LEAVE,
        filename="leave.md",
        bytes=len(LEAVE),
        mime_type="text/markdown",
        purpose="assistants",
        part_size=16,
    )
    assert sdk.files.content(chunked.file.id).read() == LEAVE
    for file in (done.file, chunked.file):
        sdk.files.delete(file.id)


def test_fine_tuning(sdk: Any, database: Database) -> None:
    jobs = sdk.fine_tuning.jobs
    lines = (json.dumps(EXAMPLE) + "\n").encode() * 20
    file = sdk.files.create(file=("train.jsonl", lines), purpose="fine-tune")
    job = jobs.create(
        training_file=file.id,
        model=HOSTED,
        suffix="sdk",
        seed=7,
        metadata={"made": "by the sdk"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}},
    )
    # What a controller does when it finds nothing wrong with the file; training is paid for by other tests.
    with database.session() as opened:
        opened.get_one(JobRow, job.id).state = "queued"
    jobs.pause(job.id)
    assert jobs.retrieve(job.id).status == "paused"
    assert job.id in [one.id for one in jobs.list(limit=1, metadata={"made": "by the sdk"})]
    assert {event.object for event in jobs.list_events(job.id, limit=1)} == {"fine_tuning.job.event"}
    assert list(jobs.checkpoints.list(job.id)) == []
    assert jobs.resume(job.id).status == "queued"
    assert jobs.cancel(job.id).status == "cancelled"
    for call in (jobs.cancel, jobs.pause, jobs.resume):
        with pytest.raises(openai.APIStatusError) as contradicted:
            call(job.id)
        assert contradicted.value.status_code in (400, 409)
    for call in (jobs.retrieve, jobs.cancel, jobs.list_events, jobs.checkpoints.list):
        with pytest.raises(openai.NotFoundError):
            call("ftjob-nobody")
    for wrong in (
        {"training_file": "file-nobody"},
        {"model": "nobody"},
        {"suffix": "x" * 65},
        {"method": {"type": "reinforcement", "reinforcement": {"grader": {}}}},
        {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 0}}}},
    ):
        with pytest.raises((openai.BadRequestError, openai.NotFoundError)):
            jobs.create(**{"training_file": file.id, "model": HOSTED} | wrong)


def test_the_administration(sdk: Any) -> None:
    organisation = sdk.admin.organization
    projects, accounts = organisation.projects, organisation.projects.service_accounts
    project = projects.create(name="sdk")
    assert projects.update(project.id, name="sdk 2").name == "sdk 2"
    assert projects.retrieve(project.id).status == "active"
    assert project.id in [one.id for one in projects.list(limit=1)]
    account = accounts.create(project.id, name="bot")
    assert accounts.retrieve(account.id, project_id=project.id).name == "bot"
    assert [one.id for one in accounts.list(project.id)] == [account.id]
    more = accounts.api_keys.create(account.id, project_id=project.id, name="more", expires_in_seconds=60)
    keys = projects.api_keys
    assert {one.name for one in keys.list(project.id, limit=1)} == {"bot", "more"}
    assert keys.retrieve(more.id, project_id=project.id).name == "more"
    assert keys.delete(more.id, project_id=project.id).deleted
    (limit,) = projects.rate_limits.list_rate_limits(project.id)
    changed = projects.rate_limits.update_rate_limit(
        limit.id, project_id=project.id, max_requests_per_1_minute=100
    )
    assert changed.max_requests_per_1_minute == 100
    assert accounts.delete(account.id, project_id=project.id).deleted
    _walk_users(sdk, project.id)
    assert projects.archive(project.id).status == "archived"

    chief = organisation.admin_api_keys.create(name="chief 2")
    assert organisation.admin_api_keys.retrieve(chief.id).name == "chief 2"
    assert chief.id in [one.id for one in organisation.admin_api_keys.list(limit=1)]
    assert organisation.admin_api_keys.delete(chief.id).deleted

    day = int(time.time()) - 86_400
    for usage in (organisation.usage.completions, organisation.usage.embeddings):
        assert usage(start_time=day, bucket_width="1h", group_by=["model", "project_id"]).data
        with pytest.raises(openai.BadRequestError):
            usage(start_time=day, bucket_width="1m")
    assert organisation.usage.costs(start_time=day, group_by=["project_id"]).data
    types = {event.type for event in organisation.audit_logs.list(limit=5, project_ids=[project.id])}
    assert {"project.created", "project.archived"} <= types

    for call in (projects.retrieve, projects.archive, organisation.admin_api_keys.retrieve):
        with pytest.raises(openai.NotFoundError):
            call("nobody")
    for call in (accounts.retrieve, accounts.delete, keys.retrieve, keys.delete):
        with pytest.raises(openai.NotFoundError):
            call("nobody", project_id=DEFAULT_PROJECT)
    with pytest.raises(openai.BadRequestError):
        projects.create(name="")


def _walk_users(sdk: Any, project_id: str) -> None:
    users, members = sdk.admin.organization.users, sdk.admin.organization.projects.users
    # The hosted API invites people by mail; here an administrator makes them.
    ada = sdk.post("/organization/users", cast_to=object, body={"name": "ada", "email": "ada@example.org"})[
        "id"
    ]
    assert users.retrieve(ada).email == "ada@example.org"
    assert users.update(ada, role="owner").role == "owner"
    assert ada in [user.id for user in users.list(limit=1)]
    assert members.create(project_id, user_id=ada, role="member").role == "member"
    assert members.retrieve(ada, project_id=project_id).id == ada
    assert members.update(ada, project_id=project_id, role="owner").role == "owner"
    assert [member.id for member in members.list(project_id)] == [ada]
    assert members.delete(ada, project_id=project_id).deleted
    assert users.delete(ada).deleted
    with pytest.raises(openai.NotFoundError):
        users.retrieve(ada)
    with pytest.raises(openai.NotFoundError):
        members.retrieve(ada, project_id=project_id)


def test_a_wrong_key(ear: Ear, gateway_url: str) -> None:
    with ear.client(api_key="sk-wrong", base_url=f"{gateway_url}/v1") as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
        with pytest.raises(openai.AuthenticationError):
            stranger.responses.create(model=BASE, input="a", stream=True)


def test_nothing_was_left_out(ear: Ear, client: openai.OpenAI) -> None:
    assert served(WITHOUT_ENGINE) - ear.called == set()
    if ear.spec is None:
        pytest.skip("the OpenAPI spec of the shared data is not at hand")
    mine = tuple(f"/v1/{part}" for part in ("files", "fine_tuning", "models", "organization", "uploads"))
    missing = [route for route in ear.unanswered(client) if route.split()[1].startswith(mine)]
    assert missing == ["GET /v1/files/{file_id}/content"], "a download has no body to judge"
