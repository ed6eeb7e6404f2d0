from __future__ import annotations

import asyncio
from collections.abc import Sequence

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


async def test_a_question_waits_for_a_slice_of_a_long_request_and_not_for_all() -> None:
    embedder = Recording(dimensions=8)
    replica = EmbeddingReplica(embedder)
    long = asyncio.create_task(replica.embed([f"text {number}" for number in range(200)]))
    await asyncio.sleep(0)
    await replica.embed(["a question"])
    assert embedder.asked.index(["a question"]) <= 2
    assert len(await long) == 200


async def test_a_cancelled_request_stops_after_its_slice() -> None:
    embedder = Recording(dimensions=8)
    replica = EmbeddingReplica(embedder)
    long = asyncio.create_task(replica.embed([f"text {number}" for number in range(3200)]))
    await replica.embed(["a question"])
    long.cancel()
    await replica.embed(["another"])
    assert len(embedder.asked) < 10


class Recording(HashingEmbedder):
    """Remembers what it was asked for, in order."""

    def __init__(self, dimensions: int) -> None:
        super().__init__(dimensions=dimensions)
        self.asked: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked.append(list(texts))
        return super().embed(texts)
