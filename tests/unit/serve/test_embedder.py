from __future__ import annotations

import httpx
import pytest

from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.serve.embedder import EmbeddingReplica


@pytest.fixture
async def client():
    app = EmbeddingReplica(HashingEmbedder(dimensions=8)).app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        yield client


async def test_texts_come_back_as_vectors_in_order(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/v1/embeddings", json={"input": ["one two", "three"]})).json()
    embedder = HashingEmbedder(dimensions=8)
    assert [entry["embedding"] for entry in answer["data"]] == embedder.embed(["one two", "three"])
    assert [entry["index"] for entry in answer["data"]] == [0, 1]
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


async def test_single_text_is_taken(client: httpx.AsyncClient) -> None:
    assert len((await client.post("/v1/embeddings", json={"input": "one"})).json()["data"]) == 1


async def test_what_is_no_text_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/embeddings", json={"input": 3})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")


async def test_unknown_route_has_an_openai_body(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, None)
