"""The document says of every route what is so. That it is so, `tests/api/test_schemathesis.py` sees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from starlette.routing import BaseRoute

from tunesmith.cli.reference.document import render_api
from tunesmith.gateway.description.document import OPERATIONS, render_document


def operations(document: dict) -> dict[str, dict]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_nothing_is_described_that_there_is_not(routes: Sequence[BaseRoute]) -> None:
    assert set(OPERATIONS) <= set(operations(render_document(routes)))


async def test_the_document_needs_a_key(asgi: httpx.AsyncClient) -> None:
    document = (await asgi.get("/v1/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert (await asgi.get("/v1/openapi.json", headers={"Authorization": ""})).status_code == 401
    assert (await asgi.get("/openapi.json")).status_code == 404


def test_what_needs_a_key_says_so_and_names_the_role(routes: Sequence[BaseRoute]) -> None:
    found = operations(render_document(routes))
    assert {name for name, one in found.items() if not one["security"]} == {
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }
    assert found["GET /v1/files"]["description"] == "Takes a key with the role `read`."
    assert "401" in found["GET /v1/files"]["responses"]


def test_every_reference_leads_somewhere() -> None:
    document = json.loads(render_api())

    def follow(part: object) -> None:
        if isinstance(part, dict):
            if isinstance(reference := part.get("$ref"), str):
                _, kind, name = reference.removeprefix("#/").split("/")
                assert name in document["components"][kind], reference
            for inner in part.values():
                follow(inner)
        elif isinstance(part, list):
            for inner in part:
                follow(inner)

    follow(document)


def test_an_operation_has_a_name_of_its_own() -> None:
    names = [one["operationId"] for one in operations(json.loads(render_api())).values()]
    assert len(set(names)) == len(names)


def test_what_is_made_can_be_looked_up() -> None:
    made = operations(json.loads(render_api()))["POST /v1/batches"]["responses"]["200"]
    assert made["links"]["retrieve_batch"]["parameters"] == {"batch_id": "$response.body#/id"}


@pytest.mark.parametrize("body", ['{"model": "m", "seed": 1e999}', '{"limit": -1e400}'])
async def test_a_number_that_no_float_holds_is_a_400(asgi: httpx.AsyncClient, body: str) -> None:
    refused = await asgi.post("/v1/chat/completions", content=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_json")


async def test_whole_numbers_may_be_written_with_a_point(asgi: httpx.AsyncClient) -> None:
    body = '{"filename": "a", "purpose": "batch", "bytes": 10.0, "mime_type": "text/jsonl"}'
    assert (await asgi.post("/v1/uploads", content=body)).json()["bytes"] == 10
    refused = await asgi.post("/v1/uploads", content=body.replace("10.0", '"10"'))
    assert refused.json()["error"]["param"] == "bytes"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/files", "GET, POST"), ("/v1/files/file-1", "DELETE, GET"), ("/v1/models/a/b", "DELETE, GET")],
)
async def test_a_405_says_all_that_a_path_takes(asgi: httpx.AsyncClient, path: str, allowed: str) -> None:
    refused = await asgi.put(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


async def test_an_item_of_a_type_that_is_no_text_is_a_400(asgi: httpx.AsyncClient) -> None:
    body = {"model": "tiny-reader", "input": [{"type": ["message"]}]}
    refused = await asgi.post("/v1/responses", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input[0].type")


def test_the_page_is_the_same_every_time() -> None:
    assert render_api() == render_api()
    written = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"
    assert written.read_text(encoding="utf-8") == render_api()
