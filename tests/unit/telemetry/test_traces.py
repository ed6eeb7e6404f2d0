"""Spans as a collector receives them: below the client's, through gateway and retrieval, without the prompt."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from collector import Collector

from tunesmith.config.serve import RetrievalConfig
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.records import Chunk, Hit
from tunesmith.serve.answer_app import answer_app
from tunesmith.serve.answering import Answerer
from tunesmith.serve.searching import Searcher
from tunesmith.telemetry.collector import ENDPOINT, collector_endpoint, open_tracer
from tunesmith.telemetry.traces import NoTracer, spanning

TRACE = "0af7651916cd43dd8448eb211c80319c"
ABOVE = "b7ad6b7169203331"
STORE = {"id": "vs_1", "name": "docs", "collection": "c", "embedder": "hashing", "project_id": "acme"}


@pytest.fixture
def collector(monkeypatch):
    with Collector() as listening:
        monkeypatch.setenv(ENDPOINT, listening.url)
        yield listening


class Vectors:
    def search(self, stores, question, **_: Any) -> list[Hit]:
        return [Hit(Chunk("1", "1.md", "T", 0, 10, 20, "27 days of leave."), 0.5, stores[0].name)]


class Engine:
    headers: dict[str, str]

    async def chat(
        self, body: dict[str, Any], headers: dict[str, str], *, engine: str = "engine"
    ) -> AsyncGenerator[Any, None]:
        self.headers = headers
        yield {"choices": [{"message": {"role": "assistant", "content": "27 days [1]"}}]}


async def test_a_question_is_one_trace_from_the_client_to_the_engine(collector):
    tracer, engine = open_tracer("tunesmith-answer"), Engine()
    answerer = Answerer(
        embedder=HashingEmbedder(),
        vectors=Vectors(),
        engine=engine,
        retrieval=RetrievalConfig(),
        tracer=tracer,
    )
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "very private?"}],
        "vector_stores": [STORE],
    }
    searcher = Searcher(embedder=HashingEmbedder(), vectors=Vectors(), retrieval=RetrievalConfig())
    transport = httpx.ASGITransport(answer_app(answerer, searcher))
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        sent = {"traceparent": f"00-{TRACE}-{ABOVE}-01"}
        answer = await client.post("/v1/chat/completions", json=body, headers=sent)
    assert answer.status_code == 200
    tracer.close()

    spans = {span.name: span for span in collector.spans}
    assert set(spans) == {"answer", "embed", "search", "prompt", "chat tiny", "cite"}
    whole = spans.pop("answer")
    assert (whole.trace, whole.parent) == (TRACE, ABOVE)
    assert {(span.trace, span.parent) for span in spans.values()} == {(TRACE, whole.id)}
    assert engine.headers["traceparent"] == f"00-{TRACE}-{spans['chat tiny'].id}-01"
    assert spans["chat tiny"].attributes["gen_ai.operation.name"] == "chat"
    assert spans["search"].attributes["db.system.name"] == "milvus"
    assert all(0 <= span.seconds <= whole.seconds for span in spans.values())
    assert b"private" not in collector.raw


def test_what_fails_is_marked_and_sent_all_the_same(collector):
    tracer = open_tracer("tunesmith-test")
    with pytest.raises(KeyError), spanning(tracer, "outer"), spanning(tracer, "inner"):
        raise KeyError
    tracer.close()
    spans = {span.name: span for span in collector.spans}
    assert spans["inner"].parent == spans["outer"].id
    assert all(span.failed and span.attributes["error.type"] == "KeyError" for span in spans.values())


def test_without_a_collector_nothing_is_traced_and_nothing_loaded(monkeypatch):
    monkeypatch.delenv(ENDPOINT, raising=False)
    assert collector_endpoint() is None
    assert isinstance(open_tracer("x"), NoTracer)
    code = (
        "import sys, tunesmith.gateway.app; from tunesmith.telemetry.collector import open_tracer; "
        "open_tracer('x'); sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
