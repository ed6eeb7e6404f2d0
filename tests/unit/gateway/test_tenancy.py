"""A tenant finds nothing of another: every route of the gateway is tried with the ids of another project.

`acme` owns one of each resource. `intruder` is a project's administrator, nowhere but in `default`. For every route:

- a path is asked for with acme's id and with an id that nobody has: both answers are the same 404, but for the id;
- a body that names acme's things gets the same answer as one that names nobody's;
- a list shows nothing of acme's.

Each id is also tried by acme itself, for an id that opens nothing would prove nothing. A route that this page
does not know fails it, until somebody says here which ids it takes.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.routing import APIRoute

from tunesmith.batches.requests import BatchRequests
from tunesmith.gateway.auth import NeedsOrganisation
from tunesmith.records import Alias, Message
from tunesmith.stores.database import ProjectRow, VectorStoreRow
from tunesmith.stores.feedback import FeedbackStore, Interaction
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.principals import Principals
from tunesmith.stores.registry import Registry
from tunesmith.stores.responses import ResponseStore
from tunesmith.stores.usage import HOUR, UsageStore, Used, UsedBy

VERSION = "ft:tiny-reader:acme:secret:abc123"
CHAT = [{"role": "user", "content": "What is the secret?"}]


@dataclass
class Acme:
    """What the other project owns, by the name of the path parameter or body field that takes its id."""

    ids: dict[str, str] = field(default_factory=dict)
    key: str = ""


NOBODYS = {
    "file_id": "file-0123456789abc0123456789a",
    "upload_id": "upload_0123456789abc0123456789a",
    "part_id": "part_0123456789abc0123456789a",
    "job_id": "ftjob-0123456789abcdef01234567",
    "name": "nobodys-alias",
    "model": "ft:tiny-reader:acme:secret:ffffff",
    "response_id": "resp_0123456789abcdef",
    "batch_id": "batch_0123456789abc0123456789a",
    "store": "vs_nobodys",
    "store_id": "vs_nobodys",
    "file_batch_id": "vsfb_0123456789abc0123456789a",
    "interaction_id": "chatcmpl-nobodys",
    "item_id": "msg_nobodys",
    "project_id": "proj_nobodys",
    "service_account_id": "svc_acct_nobodys",
    "api_key_id": "key_nobodys",
    "user_id": "user-nobodys",
}

LISTS = {
    "/v1/models",
    "/v1/files",
    "/v1/aliases",
    "/v1/fine_tuning/jobs",
    "/v1/batches",
    "/v1/vector_stores",
}
"""What shows many things at once."""

USAGE = {"/v1/organization/usage/completions", "/v1/organization/usage/embeddings"}
COSTS = "/v1/organization/costs"
REPORTS = USAGE | {COSTS}
"""What sums up, by project."""
DESCRIPTION = {"/v1/openapi.json"}
"""What is the same for everybody."""
STORE = "/v1/vector_stores/{store_id}"
FROM_THE_PLANE = {f"{STORE}/files/{{file_id}}/content"}
"""What the data plane reads, which is not there: its owner gets as far as a 503."""
PROJECT = "/v1/organization/projects/{project_id}"

TRAINING = {"model": "tiny-reader", "training_file": "{file_id}"}
BODIES: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("POST", "/v1/aliases"): [
        {"name": "mine", "model": "{model}"},
        {"name": "mine", "model": "{name}"},
        {"name": "mine", "model": "tiny-reader", "vector_stores": ["{store}"]},
    ],
    ("POST", "/v1/fine_tuning/jobs"): [TRAINING, TRAINING | {"model": "{model}"}],
    ("POST", "/v1/chat/completions"): [
        {"model": "{model}", "messages": CHAT},
        {"model": "{name}", "messages": CHAT},
        {"model": "tiny-reader", "messages": CHAT, "vector_stores": ["{store}"]},
        {
            "model": "tiny-reader",
            "messages": CHAT,
            "tools": [{"type": "file_search", "vector_store_ids": ["{store}"]}],
        },
    ],
    ("POST", "/v1/completions"): [{"model": "{model}", "prompt": "x"}, {"model": "{name}", "prompt": "x"}],
    ("POST", "/v1/responses"): [
        {"model": "{model}", "input": "x"},
        {"model": "{name}", "input": "x"},
        {"model": "tiny-reader", "input": "x", "previous_response_id": "{response_id}"},
        {
            "model": "tiny-reader",
            "input": "x",
            "tools": [{"type": "file_search", "vector_store_ids": ["{store}"]}],
        },
        {"model": "tiny-reader", "input": [{"type": "item_reference", "id": "{item_id}"}]},
    ],
    ("POST", "/v1/feedback"): [{"interaction_id": "{interaction_id}", "rating": "up"}],
    ("POST", "/v1/batches"): [
        {"input_file_id": "{file_id}", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    ],
    ("POST", "/v1/uploads/{upload_id}/complete"): [{"part_ids": ["{part_id}"]}],
    # These name nothing of anybody's.
    ("POST", "/v1/embeddings"): [],
    ("POST", "/v1/moderations"): [],
    ("POST", "/v1/files"): [],
    ("POST", "/v1/uploads"): [],
    ("POST", "/v1/uploads/{upload_id}/parts"): [],
    ("POST", "/v1/uploads/{upload_id}/cancel"): [],
    ("POST", "/v1/aliases/{name}/rollback"): [],
    ("POST", "/v1/fine_tuning/jobs/{job_id}/cancel"): [],
    ("POST", "/v1/fine_tuning/jobs/{job_id}/pause"): [],
    ("POST", "/v1/fine_tuning/jobs/{job_id}/resume"): [],
    ("POST", "/v1/responses/{response_id}/cancel"): [],
    ("POST", "/v1/batches/{batch_id}/cancel"): [],
    ("POST", "/v1/vector_stores"): [],
    ("POST", STORE): [{"name": "mine now"}],
    ("POST", f"{STORE}/search"): [{"query": "secret"}],
    ("POST", f"{STORE}/files"): [{"file_id": "{file_id}"}],
    ("POST", f"{STORE}/files/{{file_id}}"): [{"attributes": {"mine": "now"}}],
    ("POST", f"{STORE}/file_batches"): [{"file_ids": ["{file_id}"]}],
    ("POST", f"{STORE}/file_batches/{{batch_id}}/cancel"): [],
    ("POST", f"{PROJECT}"): [{"name": "mine now"}],
    ("POST", f"{PROJECT}/service_accounts"): [{"name": "spy"}],
    ("POST", f"{PROJECT}/service_accounts/{{service_account_id}}/api_keys"): [{"name": "spy"}],
    ("POST", f"{PROJECT}/users/{{user_id}}"): [{"role": "owner"}],
}
"""Bodies that name things of others, by the route that reads them."""
FORMS = {"/v1/uploads/{upload_id}/parts": {"data": ("part", b"x")}}
"""What is sent as a form."""

UNKEYED = {"/healthz", "/readyz", "/metrics"}
OWN_TESTS = {"/api/jobs/{job_id}/logs/tail"}
"""A web socket; test_ray_jobs.py crosses its projects, as it does those of all routes of Ray."""


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def acme(anyone, database, register):
    with database.session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
        session.add(
            VectorStoreRow(
                id="vs_acme", project_id="acme", name="papers", collection="c1", embedder="mini", created_at=1
            )
        )
    owner = Acme(key=KeyStore(database).create("acme", "owner", role="administer"))
    register(VERSION, project="acme")
    registry = Registry(database, "acme")
    for model in ("tiny-reader", VERSION):
        registry.set_alias(Alias("secret-alias", "acme", model, ("papers",), "Say the secret."))
    message = {"type": "message", "id": "msg_acme", "role": "user", "content": "secret"}
    ResponseStore(database, "acme").save(
        {"id": "resp_acme", "previous_response_id": None, "created_at": 1, "output": [], "model": "x"},
        asked=[message],
    )
    FeedbackStore(database, "acme").keep(
        Interaction("chatcmpl-acme", 1, "secret-alias", VERSION, (Message("user", "secret"),), "secret")
    )
    headers = bearer(owner.key)
    line = json.dumps({"messages": [*CHAT, {"role": "assistant", "content": "x"}]})
    file = await anyone.post(
        "/v1/files", headers=headers, files={"file": ("a.jsonl", line)}, data={"purpose": "fine-tune"}
    )
    upload = await anyone.post(
        "/v1/uploads",
        headers=headers,
        json={"filename": "u.jsonl", "bytes": 1, "mime_type": "text/jsonl", "purpose": "fine-tune"},
    )
    upload_id = upload.json()["id"]
    part = await anyone.post(
        f"/v1/uploads/{upload_id}/parts", headers=headers, files={"data": ("part", b"x")}
    )
    job = await anyone.post(
        "/v1/fine_tuning/jobs", headers=headers, json=TRAINING | {"training_file": file.json()["id"]}
    )
    batch = BatchRequests(database, "acme").create(
        endpoint="/v1/chat/completions", input_file_id=file.json()["id"], metadata={}, output_seconds=None
    )
    attached = await anyone.post(
        "/v1/vector_stores/vs_acme/file_batches", headers=headers, json={"file_ids": [file.json()["id"]]}
    )
    account = Principals(database).add_service_account("acme", "nightly")
    user = Principals(database).add_user("Member", email="member@acme.example")
    Principals(database).set_role("acme", user.id, "train")
    owner.ids = {
        "project_id": "acme",
        "service_account_id": account.id,
        "user_id": user.id,
        "api_key_id": KeyStore(database).all("acme")[0].id,
        "file_id": file.json()["id"],
        "upload_id": upload_id,
        "part_id": part.json()["id"],
        "job_id": job.json()["id"],
        "name": "secret-alias",
        "model": VERSION,
        "response_id": "resp_acme",
        "item_id": "msg_acme",
        "batch_id": batch.id,
        "store": "vs_acme",
        "store_id": "vs_acme",
        "file_batch_id": attached.json()["id"],
        "interaction_id": "chatcmpl-acme",
    }
    return owner


@pytest.fixture
def intruder(database):
    return KeyStore(database).create("default", "intruder", role="administer")


def for_projects(routes: list[Any]) -> list[tuple[str, str]]:
    """Method and path of every route that a project's key can call."""
    found = []
    for route in routes:
        path = re.sub(r":path\}", "}", getattr(route, "path", ""))
        if path in UNKEYED | OWN_TESTS:
            continue
        assert isinstance(route, APIRoute), f"say in {__file__} who may use {path}"
        calls = [dependency.call for dependency in route.dependant.dependencies]
        if not any(isinstance(call, NeedsOrganisation) for call in calls):
            found += [(method, path) for method in sorted(route.methods)]
    assert len(found) > 30
    return found


def filled(template: Any, ids: dict[str, str]) -> Any:
    """A path or a body with ids in the places of their names."""
    text = template if isinstance(template, str) else json.dumps(template)
    text = text.replace("file_batches/{batch_id}", "file_batches/{file_batch_id}")
    for name, value in ids.items():
        text = text.replace(f"{{{name}}}", value)
    return text if isinstance(template, str) else json.loads(text)


def alike(answer: Any, ids: dict[str, str]) -> tuple[int, str]:
    """Status and body of an answer, with the ids taken out."""
    text = answer.text
    for name, value in sorted(ids.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(value, f"<{name}>")
    return answer.status_code, re.sub(r"req_[0-9a-f]+", "<request>", text)


def bodies_of(method: str, path: str) -> list[dict[str, Any]]:
    if method in ("GET", "DELETE"):
        return []
    assert (method, path) in BODIES, f"say in {__file__} what a body of {method} {path} can name of others"
    return BODIES[method, path]


async def test_every_path_with_anothers_id_is_the_404_of_what_does_not_exist(anyone, acme, intruder, routes):
    tried = 0
    for method, path in for_projects(routes):
        names = re.findall(r"\{(\w+)\}", path)
        if not names:
            assert path in LISTS | REPORTS | DESCRIPTION or method == "POST", (
                f"say in {__file__} what {method} {path} shows"
            )
            continue
        assert set(names) <= set(acme.ids), f"say in {__file__} which ids {path} takes"
        for body in bodies_of(method, path) or [None]:
            answers = [
                await anyone.request(
                    method,
                    filled(path, ids),
                    headers=bearer(intruder),
                    json=body and filled(body, ids),
                    files=FORMS.get(path),
                )
                for ids in (acme.ids, NOBODYS)
            ]
            theirs, nobodys = (alike(a, ids) for a, ids in zip(answers, (acme.ids, NOBODYS), strict=True))
            assert theirs == nobodys, (method, path)
            assert theirs[0] == 404, (method, path, theirs)
            tried += 1
    assert tried > 20


async def test_those_ids_open_everything_to_their_owner(anyone, acme, routes):
    for method, path in for_projects(routes):
        if method == "GET" and "{" in path:
            answer = await anyone.get(filled(path, acme.ids), headers=bearer(acme.key))
            expected = 503 if path in FROM_THE_PLANE else 200
            assert answer.status_code == expected, (path, answer.text)


async def test_nothing_of_anothers_can_be_named_in_a_body(anyone, acme, intruder, routes):
    tried = 0
    for method, path in for_projects(routes):
        for body in bodies_of(method, path) if "{" not in path else []:
            answers = [
                await anyone.request(method, path, headers=bearer(intruder), json=filled(body, ids))
                for ids in (acme.ids, NOBODYS)
            ]
            theirs, nobodys = (alike(a, ids) for a, ids in zip(answers, (acme.ids, NOBODYS), strict=True))
            assert theirs == nobodys, (path, body)
            assert theirs[0] in (400, 404), (path, body, theirs)
            owners = await anyone.request(method, path, headers=bearer(acme.key), json=filled(body, acme.ids))
            assert alike(owners, acme.ids) != theirs, (path, body)
            tried += 1
    assert tried > 12


async def test_no_list_shows_or_goes_on_from_anything_of_anothers(anyone, acme, intruder, routes):
    paths = {path for method, path in for_projects(routes) if method == "GET" and "{" not in path}
    assert paths == LISTS | REPORTS | DESCRIPTION, f"say in {__file__} of which resource these are lists"
    kinds = {
        "/v1/vector_stores": "store_id",
        "/v1/files": "file_id",
        "/v1/fine_tuning/jobs": "job_id",
        "/v1/batches": "batch_id",
    }
    for path in sorted(LISTS):
        seen = (await anyone.get(path, headers=bearer(intruder))).text
        assert [value for value in acme.ids.values() if value in seen] == [], path
        owners = (await anyone.get(path, headers=bearer(acme.key))).text
        assert any(value in owners for value in acme.ids.values()), path
        if path in kinds:
            after = [
                await anyone.get(path, headers=bearer(intruder), params={"after": ids[kinds[path]]})
                for ids in (acme.ids, NOBODYS)
            ]
            assert alike(after[0], acme.ids) == alike(after[1], NOBODYS), path


async def test_anothers_file_in_a_store_of_ones_own_is_as_if_there_were_none(anyone, acme, intruder):
    store = await anyone.post("/v1/vector_stores", headers=bearer(intruder), json={"name": "mine"})
    path = f"/v1/vector_stores/{store.json()['id']}"
    answers = [
        await anyone.post(f"{path}/files", headers=bearer(intruder), json={"file_id": ids["file_id"]})
        for ids in (acme.ids, NOBODYS)
    ]
    answers += [
        await anyone.get(f"{path}/files/{ids['file_id']}", headers=bearer(intruder))
        for ids in (acme.ids, NOBODYS)
    ]
    theirs, nobodys, shown, shown_nobodys = (
        (answer.status_code, {k: v for k, v in answer.json().items() if k not in ("id", "created_at")})
        for answer in answers
    )
    assert str(theirs).replace(acme.ids["file_id"], "") == str(nobodys).replace(NOBODYS["file_id"], "")
    assert str(shown).replace(acme.ids["file_id"], "") == str(shown_nobodys).replace(NOBODYS["file_id"], "")


async def test_no_report_counts_what_another_used(anyone, acme, intruder, database):
    hour = int(time.time()) // HOUR * HOUR
    for kind in ("completions", "embeddings"):
        by = UsedBy("acme", "key_acme", "user-owner", "m", kind, hour)
        UsageStore(database).add({by: Used(7, 77, 7)})
    asked = [("start_time", str(hour)), ("bucket_width", "1h"), ("group_by", "project_id")]
    for path in sorted(USAGE):
        for more in ([], [("project_ids", "acme")], [("api_key_ids", "key_acme")]):
            seen = await anyone.get(path, headers=bearer(intruder), params=asked + more)
            assert seen.status_code == 200
            assert "77" not in [str(r["input_tokens"]) for b in seen.json()["data"] for r in b["results"]]
        owners = await anyone.get(path, headers=bearer(acme.key), params=asked)
        assert [r["input_tokens"] for b in owners.json()["data"] for r in b["results"]] == [77]
    asked = [("start_time", str(hour)), ("group_by", "line_item"), ("group_by", "project_id")]
    for more in ([], [("project_ids", "acme")], [("api_key_ids", "key_acme")]):
        seen = await anyone.get(COSTS, headers=bearer(intruder), params=asked + more)
        assert [b["results"] for b in seen.json()["data"]] == [[]]
    owners = await anyone.get(COSTS, headers=bearer(acme.key), params=asked)
    assert [r["quantity"] for b in owners.json()["data"] for r in b["results"]] == [2 * 77, 2 * 7]


async def test_what_an_intruder_tried_changed_nothing(anyone, acme, intruder, routes):
    async def owned() -> list[tuple[int, str]]:
        return [
            # When a key was last used is noted once a minute, and this may take one.
            (answer.status_code, re.sub(r'"last_used_at":\w+', "", answer.text))
            for method, path in for_projects(routes)
            if method == "GET" and path not in REPORTS | FROM_THE_PLANE
            for answer in [await anyone.get(filled(path, acme.ids), headers=bearer(acme.key))]
        ]

    before = await owned()
    for method, path in for_projects(routes):
        if method != "GET":
            body = next(iter(bodies_of(method, path)), None)
            await anyone.request(
                method,
                filled(path, acme.ids),
                headers=bearer(intruder),
                json=body and filled(body, acme.ids),
            )
    assert await owned() == before
