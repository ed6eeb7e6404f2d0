"""Files over HTTP where the official client does not go: broken forms, clients that hang up, a full disk."""

from __future__ import annotations

import errno
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tunesmith.gateway.auth import Authenticator
from tunesmith.gateway.errors import install_error_handlers
from tunesmith.gateway.files.routes import file_routes
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.objects import ObjectStore


def on_disk(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def upload(http: Any, data: bytes = b"hello", **fields: str) -> Any:
    """Of a plain client the answer, of an asynchronous one what to wait for."""
    return http.post("/v1/files", files={"file": ("a.txt", data)}, data={"purpose": "user_data", **fields})


def test_nothing_is_uploaded_without_a_key(gateway_url, tmp_path):
    for method, path in (
        ("POST", "/v1/files"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/file-1/content"),
        ("POST", "/v1/uploads"),
        ("POST", "/v1/uploads/upload_1/parts"),
    ):
        response = httpx.request(method, gateway_url + path, content=b"x")
        assert response.status_code == 401
    assert on_disk(tmp_path) == []


async def test_a_file_may_come_before_its_purpose(asgi):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
        b'--b\r\nContent-Disposition: form-data; name="expires_after[seconds]"\r\n\r\n3600\r\n'
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--b\r\nContent-Disposition: form-data; name="expires_after[anchor]"\r\n\r\ncreated_at\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    made = (await asgi.post("/v1/files", content=body, headers=headers)).json()
    assert (made["purpose"], made["bytes"]) == ("batch", 5)
    assert made["expires_at"] == made["created_at"] + 3600


async def test_a_path_is_no_name(asgi):
    files = {"file": ("../../../etc/passwd", b"x")}
    assert (await asgi.post("/v1/files", files=files, data={"purpose": "batch"})).json()[
        "filename"
    ] == "passwd"


async def test_a_download_is_saved_and_never_shown(asgi):
    made = (
        await asgi.post("/v1/files", files={"file": ("page.html", b"<script>")}, data={"purpose": "batch"})
    ).json()
    answer = await asgi.get(f"/v1/files/{made['id']}/content")
    assert answer.content == b"<script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == "8"
    assert answer.headers["content-disposition"] == 'attachment; filename="page.html"'


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"purpose": "fun"}, "purpose", "invalid_value"),
        ({"purpose": "fine-tune-results"}, "purpose", "invalid_value"),
        ({"model": "x"}, "model", "unknown_parameter"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor", "missing_required_parameter"),
        (
            {"expires_after[seconds]": "3599", "expires_after[anchor]": "created_at"},
            "expires_after.seconds",
            "invalid_value",
        ),
        (
            {"expires_after[seconds]": "2592001", "expires_after[anchor]": "created_at"},
            "expires_after.seconds",
            "invalid_value",
        ),
        (
            {"expires_after[seconds]": "3600", "expires_after[anchor]": "now"},
            "expires_after.anchor",
            "invalid_value",
        ),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_left(asgi, tmp_path, fields, param, code):
    response = await upload(asgi, **fields)
    assert response.status_code == 400
    assert (response.json()["error"]["param"], response.json()["error"]["code"]) == (param, code)
    assert on_disk(tmp_path) == []
    assert (await asgi.get("/v1/files")).json()["data"] == []


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"json": {"purpose": "batch"}}, "invalid_multipart"),
        ({"data": {"purpose": "batch"}}, "invalid_multipart"),
        ({"files": {"purpose": (None, "batch")}}, "missing_required_parameter"),
        ({"files": {"file": ("a", b"x")}}, "missing_required_parameter"),
        ({"files": {"file": (None, b"x"), "purpose": (None, "batch")}}, "invalid_value"),
        (
            {"content": b"--b\r\nrubbish", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            "invalid_multipart",
        ),
    ],
)
async def test_what_is_no_upload_is_told_and_leaves_nothing(asgi, tmp_path, request_, code):
    response = await asgi.post("/v1/files", **request_)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == code
    assert on_disk(tmp_path) == []


async def test_an_unknown_file_is_told(asgi):
    for method, path in (
        ("GET", "/v1/files/file-nothing"),
        ("DELETE", "/v1/files/file-nothing"),
        ("GET", "/v1/files/..%2f..%2fadmin.key/content"),
        ("GET", "/v1/files/file-nothing/content"),
    ):
        assert (await asgi.request(method, path)).status_code == 404


async def test_a_page_of_nothing_has_its_keys(asgi):
    empty = {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}
    assert (await asgi.get("/v1/files")).json() == empty
    for query, param in (
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("order=up", "order"),
        ("after=", "after"),
    ):
        response = await asgi.get(f"/v1/files?{query}")
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_a_client_that_hangs_up_leaves_nothing(gateway_url, key, tmp_path, http):
    host, port = gateway_url.removeprefix("http://").split(":")
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 99999999\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + bytes(3 * 2**20))
        wait_until(lambda: any(path.stat().st_size >= 2**20 for path in on_disk(tmp_path)))
    wait_until(lambda: on_disk(tmp_path) == [])
    assert http.get("/v1/files").json()["data"] == []
    wait_until(lambda: 'route="/v1/files",status="499"} 1.0' in httpx.get(f"{gateway_url}/metrics").text)


def is_open(file_id: str) -> bool:
    return any(file_id in opened.path for opened in psutil.Process().open_files())


def test_a_download_leaves_no_file_open_also_when_the_client_hangs_up(gateway_url, key, http):
    size = 64 * 2**20  # more than sockets hold
    made = upload(http, bytes(size)).json()
    assert len(http.get(f"/v1/files/{made['id']}/content").content) == size
    wait_until(lambda: not is_open(made["id"]))
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.stream("GET", f"{gateway_url}/v1/files/{made['id']}/content", headers=headers) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        assert is_open(made["id"])
    wait_until(lambda: not is_open(made["id"]))


async def test_a_full_disk_is_507_and_leaves_nothing(asgi, tmp_path, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("tunesmith.stores.objects_folder.os.fsync", full)
        response = await upload(asgi)
    assert response.status_code == 507
    assert "No space left on device. Free some disk space" in response.json()["error"]["message"]
    assert on_disk(tmp_path) == []
    assert (await asgi.get("/v1/files")).json()["data"] == []
    assert (await upload(asgi)).status_code == 200


async def test_bytes_that_were_lost_are_told(asgi, objects):
    made = (await upload(asgi)).json()
    objects.delete(f"projects/default/files/{made['id']}")
    response = await asgi.get(f"/v1/files/{made['id']}/content")
    assert response.status_code == 507
    assert made["id"] in response.json()["error"]["message"]
    assert (await asgi.delete(f"/v1/files/{made['id']}")).json() == {
        "id": made["id"],
        "object": "file",
        "deleted": True,
    }


def test_many_upload_at_once(http, gateway_url, key):
    def one(number: int) -> None:
        with httpx.Client(
            base_url=gateway_url, headers={"Authorization": f"Bearer {key}"}, timeout=60
        ) as client:
            made.append(upload(client, bytes([number]) * 2**21).json())

    made: list[dict[str, object]] = []
    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = {http.get(f"/v1/files/{file['id']}/content").content[0] for file in made}
    assert seen == set(range(8))
    assert len(http.get("/v1/files").json()["data"]) == 8


async def test_a_file_larger_than_the_limit_is_413(database, objects: ObjectStore, key, tmp_path):
    from fastapi import FastAPI

    app = FastAPI()
    authenticate = Authenticator(KeyStore(database))
    app.include_router(
        file_routes(authenticate=authenticate, database=database, objects=objects, max_file_bytes=1000)
    )
    install_error_handlers(app)

    async def slowly(size: int):
        yield b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(size):
            yield b"x"
        yield b"\r\n--b--\r\n"

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "multipart/form-data; boundary=b"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        assert (await client.post("/v1/files", content=slowly(1000))).status_code == 200
        over = await client.post("/v1/files", content=slowly(1001))
        assert over.status_code == 413
        assert over.json()["error"]["param"] == "file"
        announced = await client.post("/v1/files", content=bytes(100_000))
        assert announced.status_code == 413
    assert len(on_disk(tmp_path)) == 1
