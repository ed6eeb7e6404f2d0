"""Uploads over HTTP where the official client does not go."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

UPLOAD = {"filename": "a.jsonl", "purpose": "fine-tune", "bytes": 8, "mime_type": "text/jsonl"}


async def begin(asgi: httpx.AsyncClient, **changes: object) -> httpx.Response:
    return await asgi.post("/v1/uploads", json={**UPLOAD, **changes})


def on_disk(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]


@pytest.mark.parametrize("purpose", ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"])
async def test_every_purpose_is_taken(asgi, purpose):
    assert (await begin(asgi, purpose=purpose)).json()["purpose"] == purpose


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"filename": ".."}, "filename"),
        ({"purpose": "fun"}, "purpose"),
        ({"bytes": -1}, "bytes"),
        ({"bytes": "8"}, "bytes"),
        ({"bytes": 8 * 2**30 + 1}, "bytes"),
        ({"mime_type": ""}, "mime_type"),
        ({"model": "x"}, "model"),
        ({"expires_after": {"anchor": "created_at", "seconds": 60}}, "expires_after.seconds"),
    ],
)
async def test_a_wrong_field_is_named(asgi, changes, param):
    response = await begin(asgi, **changes)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize("missing", UPLOAD)
async def test_a_missing_field_is_named(asgi, missing):
    body = {name: value for name, value in UPLOAD.items() if name != missing}
    error = (await asgi.post("/v1/uploads", json=body)).json()["error"]
    assert (error["param"], error["code"]) == (missing, "missing_required_parameter")


async def test_a_part_is_called_data(asgi, tmp_path):
    path = f"/v1/uploads/{(await begin(asgi)).json()['id']}/parts"
    for files, param in (({"file": ("a", b"x")}, "file"), ({"purpose": (None, "x")}, "purpose")):
        response = await asgi.post(path, files=files)
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert on_disk(tmp_path) == []
    # With a filename or without one.
    assert (await asgi.post(path, files={"data": ("part", b"x")})).status_code == 200
    assert (await asgi.post(path, files={"data": (None, b"x")})).status_code == 200


async def test_a_part_larger_than_64_mib_is_413(asgi, tmp_path):
    path = f"/v1/uploads/{(await begin(asgi)).json()['id']}/parts"
    response = await asgi.post(path, files={"data": ("part", bytes(64 * 2**20 + 1))})
    assert (response.status_code, response.json()["error"]["param"]) == (413, "data")
    assert on_disk(tmp_path) == []


async def test_an_unknown_upload_is_told_before_its_part_is_read(asgi, tmp_path):
    for path in ("upload_nothing/parts", "upload_nothing/complete", "upload_nothing/cancel"):
        content = (
            {"json": {"part_ids": []}} if path.endswith("complete") else {"files": {"data": ("a", b"x")}}
        )
        response = await asgi.post(f"/v1/uploads/{path}", **content)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "upload_not_found")
    assert on_disk(tmp_path) == []


@pytest.mark.parametrize(
    "body", [{}, {"part_ids": "part_1"}, {"part_ids": [1]}, {"part_ids": [], "sha": "x"}]
)
async def test_a_wrong_completion_is_told(asgi, body):
    upload = (await begin(asgi)).json()
    response = await asgi.post(f"/v1/uploads/{upload['id']}/complete", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"]
