"""Batches from the request to the files of their answers: the gateway, the controller, and a plane for an engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tunesmith.batches.queue import BatchQueue
from tunesmith.batches.requests import BatchRequests
from tunesmith.config.home import Home
from tunesmith.config.serve import BatchesConfig
from tunesmith.controller.batch_asker import BatchAsker
from tunesmith.controller.batches import BatchController, Pace
from tunesmith.errors import AuthenticationError, StaleAttemptError
from tunesmith.stores.database import BatchRow, Database, ProjectRow
from tunesmith.stores.expiry import sweep_orphans
from tunesmith.stores.files import FileStore
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.objects import ObjectStore

from .conftest import Plane

CHAT, EMBED, TEXT = "/v1/chat/completions", "/v1/embeddings", "/v1/completions"
QUICK = Pace(seconds_between_looks=0.02, seconds_between_renewals=0.2, seconds_between_parts=0.05)


def chat_line(number: int, **body: Any) -> dict[str, Any]:
    message = {"role": "user", "content": f"question {number}"}
    body = {"model": "tiny-reader", "messages": [message], **body}
    return {"custom_id": f"line-{number}", "method": "POST", "url": CHAT, "body": body}


def upload(client: openai.OpenAI, lines: list[dict[str, Any]]) -> str:
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return client.files.create(file=("requests.jsonl", content), purpose="batch").id


def create(client: openai.OpenAI, lines: list[dict[str, Any]], **more: Any) -> Any:
    more = {"endpoint": CHAT, "completion_window": "24h", **more}
    return client.batches.create(input_file_id=upload(client, lines), **more)


def read(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


class Driver:
    """Runs controllers until a batch is where a test wants it."""

    def __init__(self, database: Database, objects: ObjectStore, url: str) -> None:
        self.database, self.objects, self.url = database, objects, url

    def controller(self, owner: str = "first", *, parallel: int = 4) -> BatchController:
        return BatchController(
            self.database,
            self.objects,
            queue=BatchQueue(self.database, owner=owner, hold_seconds=2),
            asker=BatchAsker(self.url, parallel=parallel, pause_seconds=0.01),
            config=BatchesConfig(parallel=parallel),
            pace=QUICK,
        )

    def until(self, done: Callable[[], bool], *, controllers: int = 1, parallel: int = 4) -> None:
        deadline = time.monotonic() + 30

        def stopped() -> bool:
            assert time.monotonic() < deadline, "it takes too long"
            return done()

        async def drive() -> None:
            named = [self.controller(f"number-{i}", parallel=parallel) for i in range(controllers)]
            await asyncio.gather(*(one.drive_all(stopped) for one in named))

        asyncio.run(drive())


@pytest.fixture
def driver(database: Database, objects: ObjectStore, gateway_url: str) -> Driver:
    return Driver(database, objects, gateway_url)


def ended(client: openai.OpenAI, batch_id: str) -> Callable[[], bool]:
    states = ("completed", "failed", "expired", "cancelled")
    return lambda: client.batches.retrieve(batch_id).status in states


def test_every_line_is_answered_once_and_told(
    client: openai.OpenAI, driver: Driver, plane: Plane, objects: ObjectStore, conforms: Any
) -> None:
    batch = create(client, [chat_line(n) for n in range(30)], metadata={"night": "1"})
    conforms("Batch", batch.to_dict())
    assert (batch.status, batch.request_counts.total) == ("validating", 0)
    parts = "projects/default/batches"
    driver.until(lambda: ended(client, batch.id)() and objects.keys(parts) == [])
    done = client.batches.retrieve(batch.id)
    conforms("Batch", done.to_dict())
    assert (done.status, done.metadata, done.model) == ("completed", {"night": "1"}, "tiny-reader")
    assert done.request_counts.model_dump() == {"total": 30, "completed": 30, "failed": 0}
    assert done.usage.total_tokens == 30 * 7
    assert done.error_file_id is None
    assert None not in (done.in_progress_at, done.finalizing_at, done.completed_at)
    results = read(client, done.output_file_id)
    assert sorted(result["custom_id"] for result in results) == sorted(f"line-{n}" for n in range(30))
    assert len({result["id"] for result in results}) == 30
    for result in results:
        assert result["error"] is None
        assert result["response"]["status_code"] == 200
        assert result["response"]["request_id"].startswith("req_")
        conforms("CreateChatCompletionResponse", result["response"]["body"])
    assert len(plane.requests) == 30
    assert client.files.retrieve(str(done.output_file_id)).purpose == "batch_output"


def test_refusals_go_into_a_file_of_their_own(client: openai.OpenAI, driver: Driver) -> None:
    batch = create(client, [chat_line(0), chat_line(1, model="nobody"), chat_line(2, messages=[])])
    driver.until(ended(client, batch.id))
    done = client.batches.retrieve(batch.id)
    assert done.request_counts.model_dump() == {"total": 3, "completed": 1, "failed": 2}
    refused = {result["custom_id"]: result["response"] for result in read(client, done.error_file_id)}
    assert {name: response["status_code"] for name, response in refused.items()} == {
        "line-1": 404,
        "line-2": 400,
    }
    assert refused["line-1"]["body"]["error"]["code"] == "model_not_found"
    assert [result["custom_id"] for result in read(client, done.output_file_id)] == ["line-0"]


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (EMBED, {"model": "mini", "input": "hello"}),
        (TEXT, {"model": "tiny-reader", "prompt": "once"}),
        ("/v1/responses", {"model": "tiny-reader", "input": "hello", "store": False}),
    ],
)
def test_the_other_endpoints_are_served(
    client: openai.OpenAI, driver: Driver, endpoint: str, body: dict[str, Any]
) -> None:
    line = {"custom_id": "a", "method": "POST", "url": endpoint, "body": body}
    batch = create(client, [line], endpoint=endpoint)
    driver.until(ended(client, batch.id))
    (result,) = read(client, client.batches.retrieve(batch.id).output_file_id)
    assert result["response"]["status_code"] == 200
    assert result["response"]["body"]["object"] in ("list", "text_completion", "response")


def test_bad_lines_end_a_batch_before_anything_is_asked(
    client: openai.OpenAI, driver: Driver, plane: Plane, conforms: Any
) -> None:
    batch = create(client, [chat_line(0), chat_line(0), {"custom_id": "x"}])
    driver.until(ended(client, batch.id))
    failed = client.batches.retrieve(batch.id)
    conforms("Batch", failed.to_dict())
    assert failed.status == "failed"
    assert failed.failed_at
    assert [(fault.code, fault.line) for fault in failed.errors.data] == [
        ("duplicate_custom_id", 2),
        ("missing_required_parameter", 3),
    ]
    assert plane.requests == []


def test_backpressure_is_waited_for_and_not_written_down(
    client: openai.OpenAI, driver: Driver, plane: Plane
) -> None:
    plane.refusal = (429, {"error": {"message": "full", "type": "rate_limit_error", "code": None}})
    batch = create(client, [chat_line(n) for n in range(3)])

    def relieve() -> bool:
        if len(plane.requests) >= 4:
            plane.refusal = None
        return ended(client, batch.id)()

    driver.until(relieve)
    done = client.batches.retrieve(batch.id)
    assert done.request_counts.model_dump() == {"total": 3, "completed": 3, "failed": 0}


def test_a_cancelled_batch_keeps_what_is_answered(
    client: openai.OpenAI, driver: Driver, plane: Plane
) -> None:
    plane.pause_seconds = 0.05
    batch = create(client, [chat_line(n) for n in range(200)])

    def cancel_midway() -> bool:
        seen = client.batches.retrieve(batch.id)
        if seen.request_counts.completed >= 4 and seen.status == "in_progress":
            assert client.batches.cancel(batch.id).status == "cancelling"
        return seen.status == "cancelled"

    driver.until(cancel_midway)
    done = client.batches.retrieve(batch.id)
    assert done.cancelling_at
    assert done.cancelled_at
    results = read(client, done.output_file_id)
    assert len(results) == done.request_counts.completed < 200
    assert client.batches.cancel(batch.id).status == "cancelled"
    asked = len(plane.requests)
    time.sleep(0.2)
    assert len(plane.requests) == asked


def test_a_batch_that_has_ended_cannot_be_cancelled(client: openai.OpenAI, driver: Driver) -> None:
    batch = create(client, [chat_line(0)])
    driver.until(ended(client, batch.id))
    with pytest.raises(openai.ConflictError, match="its status is 'completed'"):
        client.batches.cancel(batch.id)


def test_lines_that_are_not_answered_in_time_are_told(
    client: openai.OpenAI, driver: Driver, plane: Plane, database: Database
) -> None:
    plane.pause_seconds = 0.05
    batch = create(client, [chat_line(n) for n in range(200)])

    def expire_midway() -> bool:
        seen = client.batches.retrieve(batch.id)
        if seen.request_counts.completed >= 4 and seen.status == "in_progress":
            with database.session() as session:
                session.get_one(BatchRow, batch.id).expires_at = int(time.time()) - 1
        return seen.status == "expired"

    driver.until(expire_midway)
    done = client.batches.retrieve(batch.id)
    counts = done.request_counts
    assert counts.completed + counts.failed == 200
    late = read(client, done.error_file_id)
    assert {result["error"]["code"] for result in late} == {"batch_expired"}
    assert all(result["response"] is None for result in late)
    names = [result["custom_id"] for result in late + read(client, done.output_file_id)]
    assert sorted(names) == sorted(f"line-{n}" for n in range(200))


def test_an_input_that_is_deleted_meanwhile_fails_the_batch(client: openai.OpenAI, driver: Driver) -> None:
    batch = create(client, [chat_line(0)])
    client.files.delete(batch.input_file_id)
    driver.until(ended(client, batch.id))
    failed = client.batches.retrieve(batch.id)
    assert (failed.status, failed.errors.data[0].code) == ("failed", "input_file_unavailable")


def test_several_controllers_behave_as_one(client: openai.OpenAI, driver: Driver, plane: Plane) -> None:
    plane.pause_seconds = 0.01
    batches = [create(client, [chat_line(n) for n in range(20)]) for _ in range(4)]
    driver.until(lambda: all(ended(client, batch.id)() for batch in batches), controllers=3)
    for batch in batches:
        done = client.batches.retrieve(batch.id)
        assert done.request_counts.completed == 20
        assert len(read(client, done.output_file_id)) == 20
    assert len(plane.requests) == 80


@contextlib.contextmanager
def process(home: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(Path(__file__).parent / "batch_runner.py"), str(home), url]
    started = subprocess.Popen(command)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def test_a_killed_controller_loses_no_line_and_doubles_none(
    client: openai.OpenAI, driver: Driver, gateway_url: str, plane: Plane, tmp_path: Path
) -> None:
    plane.pause_seconds = 0.02
    batch = create(client, [chat_line(n) for n in range(120)])
    for kill_at in (5, 60):
        with process(tmp_path, gateway_url) as controller:
            deadline = time.monotonic() + 60
            while True:
                if client.batches.retrieve(batch.id).request_counts.completed >= kill_at:
                    break
                assert time.monotonic() < deadline
                time.sleep(0.02)
            os.kill(controller.pid, signal.SIGKILL)
    assert client.batches.retrieve(batch.id).request_counts.completed < 120
    driver.until(ended(client, batch.id))
    done = client.batches.retrieve(batch.id)
    assert (done.status, done.request_counts.completed) == ("completed", 120)
    results = read(client, done.output_file_id)
    assert Counter(result["custom_id"] for result in results) == {f"line-{n}": 1 for n in range(120)}
    assert 120 < len(plane.requests) < 160  # what was on its way when it died was asked again


def test_a_hold_that_was_lost_opens_and_changes_nothing(client: openai.OpenAI, database: Database) -> None:
    batch_id = create(client, [chat_line(0)]).id
    first, second = (BatchQueue(database, owner=name, hold_seconds=0.05) for name in ("first", "second"))
    old = first.hold(first.due()[0])
    assert old is not None
    assert KeyStore(database).verify(old.token).project_id == "default"
    assert second.hold(old.batch) is None
    assert second.due() == []
    time.sleep(0.06)
    with pytest.raises(AuthenticationError):
        KeyStore(database).verify(old.token)
    new = second.hold(old.batch)
    assert new is not None
    assert (new.batch.id, new.batch.fence) == (batch_id, 2)
    with pytest.raises(StaleAttemptError):
        first.begin(old.batch, total=1, model=None)
    with pytest.raises(StaleAttemptError):
        first.end(old.batch, "failed")
    second.release(new.batch)
    with pytest.raises(AuthenticationError):
        KeyStore(database).verify(new.token)


def test_a_batch_speaks_for_its_project_alone(
    client: openai.OpenAI, driver: Driver, database: Database, objects: ObjectStore, register: Any
) -> None:
    with database.session() as session:
        session.add(ProjectRow(id="acme", created_at=1))
    register("ft:acme:secret", project="acme")
    own = create(client, [chat_line(0, model="ft:acme:secret")])
    content = json.dumps(chat_line(0, model="ft:acme:secret")).encode()
    file = FileStore(database, objects, "acme").create([content], filename="a.jsonl", purpose="batch")
    theirs = BatchRequests(database, "acme").create(endpoint=CHAT, input_file_id=file.id)
    driver.until(
        lambda: (
            ended(client, own.id)() and BatchRequests(database, "acme").batch(theirs.id).state == "completed"
        )
    )
    assert client.batches.retrieve(own.id).request_counts.failed == 1
    assert BatchRequests(database, "acme").batch(theirs.id).completed == 1
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(theirs.id)
    with pytest.raises(openai.NotFoundError):
        client.batches.cancel(theirs.id)
    with pytest.raises(openai.BadRequestError, match="does not exist"):
        client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"input_file_id": "file-none"}, "input_file_id", "invalid_input_file"),
        ({"input_file_id": None}, "input_file_id", "invalid_value"),
        ({"endpoint": "/v1/moderations"}, "endpoint", "invalid_value"),
        ({"completion_window": "1h"}, "completion_window", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_value"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata", "invalid_value"),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 1}},
            "output_expires_after.seconds",
            None,
        ),
        ({"priority": 1}, "priority", "unknown_parameter"),
    ],
)
async def test_a_wrong_field_is_told(
    asgi: httpx.AsyncClient,
    database: Database,
    objects: ObjectStore,
    conforms: Any,
    changes: dict[str, Any],
    param: str,
    code: str | None,
) -> None:
    file = FileStore(database, objects, "default").create([b"x"], filename="a", purpose="batch")
    body = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h", **changes}
    refused = await asgi.post("/v1/batches", json=body)
    assert refused.status_code == 400
    conforms("ErrorResponse", refused.json())
    assert refused.json()["error"]["param"] == param
    assert code in (None, refused.json()["error"]["code"])


async def test_a_file_that_is_no_batch_or_too_large_is_refused(
    asgi: httpx.AsyncClient, database: Database, objects: ObjectStore
) -> None:
    files = FileStore(database, objects, "default")
    wrong = files.create([b"x"], filename="a", purpose="fine-tune")
    large = files.create([b"\n" * (2**20)] * 201, filename="a", purpose="batch")
    said = {}
    for file in (wrong, large):
        body = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
        refused = await asgi.post("/v1/batches", json=body)
        said[file.id] = (refused.status_code, refused.json()["error"]["code"])
    assert said == {wrong.id: (400, "invalid_input_file"), large.id: (400, "input_file_too_large")}


async def test_lists_come_in_pages(asgi: httpx.AsyncClient, database: Database, conforms: Any) -> None:
    made = [BatchRequests(database, "default").create(endpoint=CHAT, input_file_id="f").id for _ in range(5)]
    seen: list[str] = []
    more, after = True, {}
    while more:
        page = (await asgi.get("/v1/batches", params={"limit": 2, **after})).json()
        conforms("ListBatchesResponse", page)
        seen += [batch["id"] for batch in page["data"]]
        more, after = page["has_more"], {"after": page["last_id"]}
    assert seen == made[::-1]
    assert (await asgi.get("/v1/batches", params={"after": "x"})).status_code == 400


async def test_no_model_moderates(asgi: httpx.AsyncClient, conforms: Any) -> None:
    refused = await asgi.post("/v1/moderations", json={"input": "hello"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    conforms("ErrorResponse", refused.json())
    unknown = await asgi.get("/v1/nothing")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_url")
    wrong = await asgi.put("/v1/batches")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    for body in (unknown.json(), wrong.json()):
        conforms("ErrorResponse", body)


def test_the_token_is_nowhere_in_clear(client: openai.OpenAI, database: Database, tmp_path: Path) -> None:
    create(client, [chat_line(0)])
    queue = BatchQueue(database, owner="first")
    held = queue.hold(queue.due()[0])
    assert held is not None
    database.close()
    for file in Home(tmp_path).root.rglob("*"):
        if file.is_file():
            assert held.token.encode() not in file.read_bytes()


def test_parts_that_a_kill_left_after_the_end_are_swept(
    client: openai.OpenAI, database: Database, objects: ObjectStore
) -> None:
    over, under_way = (create(client, [chat_line(0)]).id for _ in range(2))
    for batch_id in (over, under_way):
        with objects.writer(f"projects/default/batches/{batch_id}/000000-1.output") as part:
            part.write(b"{}\n")
    with database.session() as session:
        session.get_one(BatchRow, over).state = "completed"
    assert sweep_orphans(database, objects) == 1
    assert objects.keys("projects/default/batches") == [
        f"projects/default/batches/{under_way}/000000-1.output"
    ]
