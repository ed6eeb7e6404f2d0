"""What is wrong with an input is told with the right status and a body of the spec, and costs nothing else anything."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from job_world import GOOD_LINE, TRAINED, World

from tunesmith.stores.database import Database, FileRow

MIB = 2**20
TEN_MIB = "x" * (10 * MIB)
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PURPOSE = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello'


def upload(http: httpx.Client, content: str = GOOD_LINE, *, purpose: str = "fine-tune") -> str:
    made = http.post("/v1/files", files={"file": ("a.jsonl", content)}, data={"purpose": purpose})
    assert made.status_code == 200, made.text
    file_id: str = made.json()["id"]
    return file_id


def said(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    """Status, code and param of a refusal; its body has been held against the spec."""
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return answer.status_code, error["code"], error["param"]


def train(http: httpx.Client, file_id: str) -> httpx.Response:
    return http.post("/v1/fine_tuning/jobs", json={"model": "tiny-reader", "training_file": file_id})


def batch(http: httpx.Client, file_id: str) -> httpx.Response:
    body = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return http.post("/v1/batches", json=body)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (PURPOSE + FILE, MULTIPART),
        (PURPOSE + FILE + b"\r\n--b\r\n", MULTIPART),
        (b"rubbish", MULTIPART),
        (b"", MULTIPART),
        (PURPOSE + FILE + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data"}),
        (PURPOSE + FILE + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=another"}),
        (PURPOSE + FILE + b"\r\n--b--\r\n", {"Content-Type": "application/json"}),
        (PURPOSE + FILE + b"\r\n--b--\r\n", {}),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", MULTIPART),
        (b"--b\r\nContent-Disposition\r\n\r\nx\r\n--b--\r\n", MULTIPART),
        (b"--b\r\n" + b"x" * MIB + b": y\r\n\r\nx\r\n--b--\r\n", MULTIPART),
    ],
)
def test_a_malformed_multipart(
    http: httpx.Client, tmp_path: Path, content: bytes, headers: dict[str, str]
) -> None:
    answer = http.post("/v1/files", content=content, headers=headers)
    assert said(answer) == (400, "invalid_multipart", None)
    assert http.get("/v1/files").json()["data"] == []
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "purpose", ["", "fine_tune", "FINE-TUNE", "fine-tune-results", "everything", "x" * 4000]
)
def test_a_wrong_purpose_of_an_upload(http: httpx.Client, purpose: str) -> None:
    answer = http.post("/v1/files", files={"file": ("a", b"x")}, data={"purpose": purpose})
    assert said(answer) == (400, "invalid_value", "purpose")
    body = {"filename": "a", "bytes": 1, "mime_type": "x/y", "purpose": purpose}
    assert said(http.post("/v1/uploads", json=body)) == (400, "invalid_value", "purpose")


@pytest.mark.parametrize("purpose", ["assistants", "batch", "user_data", "evals", "vision"])
def test_a_file_of_a_wrong_purpose_trains_nothing(http: httpx.Client, purpose: str) -> None:
    answer = train(http, upload(http, purpose=purpose))
    assert said(answer) == (400, "invalid_training_file", "training_file")
    assert purpose in answer.json()["error"]["message"]


@pytest.mark.parametrize("purpose", ["assistants", "fine-tune", "user_data"])
def test_a_file_of_a_wrong_purpose_is_no_batch(http: httpx.Client, purpose: str) -> None:
    answer = batch(http, upload(http, purpose=purpose))
    assert said(answer) == (400, "invalid_input_file", "input_file_id")


def _deleted(http: httpx.Client, _database: Database, file_id: str) -> None:
    assert http.delete(f"/v1/files/{file_id}").json()["deleted"]


def _expired(_http: httpx.Client, database: Database, file_id: str) -> None:
    with database.session() as session:
        row = session.get(FileRow, file_id)
        assert row is not None
        row.expires_at = int(time.time())


@pytest.mark.parametrize("gone", [_deleted, _expired])
def test_a_file_that_is_gone(
    http: httpx.Client, database: Database, gone: Callable[[httpx.Client, Database, str], None]
) -> None:
    training, requests, document = (upload(http, purpose=p) for p in ("fine-tune", "batch", "assistants"))
    store = http.post("/v1/vector_stores", json={"name": "s"}).json()["id"]
    for file_id in (training, requests, document):
        gone(http, database, file_id)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        answer = http.request(method, f"/v1/files/{training}{path}")
        assert said(answer)[0] == 404
        assert training in answer.json()["error"]["message"]
    assert said(train(http, training)) == (400, "invalid_training_file", "training_file")
    assert said(batch(http, requests)) == (400, "invalid_input_file", "input_file_id")
    attached = http.post(f"/v1/vector_stores/{store}/files", json={"file_id": document})
    assert said(attached)[0] in (400, 404)
    assert http.get("/v1/files").json()["data"] == []


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    """The controller behind the same database and the same objects."""
    return World(tmp_path, database=database)


@pytest.mark.parametrize("gone", [_deleted, _expired])
def test_a_file_that_goes_under_a_running_job_changes_nothing(
    http: httpx.Client, world: World, gone: Callable[[httpx.Client, Database, str], None]
) -> None:
    file_id = upload(http)
    path = f"/v1/fine_tuning/jobs/{train(http, file_id).json()['id']}"
    _tick_until(world, http, path, "running")
    gone(http, world.database, file_id)
    assert said(http.get(f"/v1/files/{file_id}"))[0] == 404
    running = http.get(path)
    assert (running.status_code, running.json()["status"]) == (200, "running")
    assert running.json()["training_file"] == file_id
    world.attempts.end()  # the machine that ran it is lost; the next attempt reads the job's own copy
    world.controller.tick()
    _tick_until(world, http, path, "running")
    world.attempts.end(**TRAINED)
    done = _tick_until(world, http, path, "succeeded")
    assert done["error"] in (None, {}) or not done["error"].get("message")
    assert said(train(http, file_id)) == (400, "invalid_training_file", "training_file")


@pytest.mark.parametrize("gone", [_deleted, _expired])
def test_a_file_that_goes_before_its_job_begins_fails_it(
    http: httpx.Client, world: World, gone: Callable[[httpx.Client, Database, str], None]
) -> None:
    file_id = upload(http)
    path = f"/v1/fine_tuning/jobs/{train(http, file_id).json()['id']}"
    gone(http, world.database, file_id)
    failed = _tick_until(world, http, path, "failed")
    assert (failed["error"]["code"], failed["error"]["param"]) == ("invalid_training_file", "training_file")
    assert file_id in failed["error"]["message"]


def test_a_line_of_ten_megabytes_in_a_training_file_is_a_line(http: httpx.Client, world: World) -> None:
    path = f"/v1/fine_tuning/jobs/{train(http, upload(http, _line(TEN_MIB))).json()['id']}"
    _tick_until(world, http, path, "running")
    world.attempts.end(**TRAINED)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f'{{"messages": "{TEN_MIB}"}}', "messages"),
        (f'{{"messages": [{{"role": "{TEN_MIB}", "content": "x"}}]}}', "role"),
        (f'{{"messages": "{TEN_MIB}', "not valid JSON"),
        (TEN_MIB, "not valid JSON"),
        ("[" * (10 * MIB), "nested too deeply"),
    ],
)
def test_a_wrong_line_of_ten_megabytes_is_told_in_a_few_words(
    http: httpx.Client, world: World, line: str, reason: str
) -> None:
    file_id = upload(http, GOOD_LINE + line + "\n")
    path = f"/v1/fine_tuning/jobs/{train(http, file_id).json()['id']}"
    failed = _tick_until(world, http, path, "failed")
    error = failed["error"]
    assert (error["code"], error["param"]) == ("invalid_training_file", "training_file")
    assert error["message"].startswith(f"{file_id}:2: ")
    assert reason in error["message"]
    assert len(error["message"]) < 1000


def test_a_request_of_ten_megabytes_is_read_and_one_of_more_than_sixteen_is_not(http: httpx.Client) -> None:
    def ask(content: str) -> httpx.Response:
        chat = {"model": "nothing", "messages": [{"role": "user", "content": content}]}
        return http.post("/v1/chat/completions", json=chat)

    assert said(ask(TEN_MIB)) == (404, "model_not_found", "model")
    assert ask(TEN_MIB + TEN_MIB).status_code == 413
    broken = http.post("/v1/chat/completions", content=f'{{"model": "{TEN_MIB}'.encode())
    assert said(broken) == (400, "invalid_json", None)
    assert len(broken.content) < 1000
    deep = http.post("/v1/chat/completions", content=b'{"a":' * (2 * MIB))
    assert said(deep) == (400, "invalid_json", None)


def _line(content: str) -> str:
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": "b"}]
    return json.dumps({"messages": messages}) + "\n"


def _tick_until(world: World, http: httpx.Client, path: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while (job := http.get(path).json())["status"] != status:
        assert time.monotonic() < deadline, job
        world.controller.tick()
        time.sleep(0.02)
    return dict(job)
