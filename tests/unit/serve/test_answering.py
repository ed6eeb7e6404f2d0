from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import httpx
import pytest

from tunesmith.config.serve import RetrievalConfig
from tunesmith.engines.fakes import HashingEmbedder
from tunesmith.errors import UnavailableError
from tunesmith.rag.prompt import render_question
from tunesmith.records import Chunk, Hit
from tunesmith.serve.answer_app import answer_app
from tunesmith.serve.answer_request import AnswerRequest
from tunesmith.serve.answering import Answerer
from tunesmith.serve.searching import Searcher
from tunesmith.stores.attribute_filter import AttributeFilter, Comparison
from tunesmith.stores.vectors import StoreRecord

LEAVE = "Full-time staff receive 27 days of leave."
CANTEEN = "The canteen opens at 11:30."
STORE = {"id": "vs_1", "name": "docs", "collection": "c", "embedder": "hashing", "project_id": "acme"}


class TwoChunks:
    """A vector store that finds the same two chunks whatever is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.down = False
        self.only: AttributeFilter | None = None

    def search(
        self,
        stores: Sequence[StoreRecord],
        question: str,
        *,
        vector: Sequence[float],
        top_k: int,
        candidates: int,
        only: AttributeFilter | None = None,
    ) -> list[Hit]:
        if self.down:
            raise UnavailableError("Milvus does not answer.")
        self.only = only
        self.asked.append((stores[0].scope, question, top_k))
        texts = (LEAVE, CANTEEN)
        chunks = [Chunk(str(i), f"{i}.md", "T", 0, 10, 10 + len(text), text) for i, text in enumerate(texts)]
        return [Hit(chunk, 0.5, stores[0].name) for chunk in chunks][:top_k]


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


class ScriptedEngine:
    """An engine that says what it is told to, in the shapes of the real one."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.calls: list[dict[str, Any]] = []
        self.bodies: list[dict[str, Any]] = []
        self.closed_early = False
        self.headers: dict[str, str] = {}
        self.fault: dict[str, Any] | None = None

    async def chat(
        self, body: dict[str, Any], headers: dict[str, str], *, engine: str = "engine"
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        self.bodies.append(body)
        self.asked = engine
        self.headers = headers
        if self.fault:
            yield self.fault
            return
        head = {"id": "chatcmpl-1", "created": 1, "model": body["model"]}
        if not body["stream"]:
            message = {"role": "assistant", "content": "".join(self.words), "tool_calls": self.calls}
            yield {**head, "choices": [{"message": message}]}
            return
        try:
            for word in self.words:
                yield _event({**head, "choices": [{"delta": {"content": word}, "finish_reason": None}]})
            if self.calls:
                delta = {"tool_calls": self.calls}
                yield _event({**head, "choices": [{"delta": delta, "finish_reason": None}]})
            yield _event({**head, "choices": [{"delta": {}, "finish_reason": "stop"}]})
            yield _event({**head, "choices": [], "usage": {"total_tokens": 9}})
            yield "data: [DONE]\n\n"
        except GeneratorExit:
            self.closed_early = True
            raise


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine("27 ", "days ", "[1]")


@pytest.fixture
def vectors() -> TwoChunks:
    return TwoChunks()


@pytest.fixture
def answerer(engine: ScriptedEngine, vectors: TwoChunks) -> Answerer:
    return Answerer(embedder=HashingEmbedder(), vectors=vectors, engine=engine, retrieval=RetrievalConfig())


@pytest.fixture
async def client(answerer: Answerer, vectors: TwoChunks):
    searcher = Searcher(embedder=HashingEmbedder(), vectors=vectors, retrieval=RetrievalConfig())
    transport = httpx.ASGITransport(answer_app(answerer, searcher), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        yield client


def _body(**changes: Any) -> dict[str, Any]:
    question = {"role": "user", "content": "How many days of leave do full-time staff get?"}
    return {"model": "tiny", "messages": [question], "vector_stores": [STORE], **changes}


def _events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n")[:-2]]


async def _ask(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post("/v1/chat/completions", json=_body(**changes))


async def test_answer_carries_its_checked_citation(client: httpx.AsyncClient) -> None:
    answer = (await _ask(client)).json()
    assert answer["choices"][0]["message"]["content"] == "27 days [1]"
    (citation,) = answer["tunesmith"]["citations"]
    assert (citation["number"], citation["document"], citation["status"]) == (1, "0.md", "verified")
    assert LEAVE[citation["start"] - 10 : citation["end"] - 10] == citation["text"]
    assert [source["text"] for source in answer["tunesmith"]["sources"]] == [LEAVE, CANTEEN]
    assert answer["tunesmith"]["abstained"] is False
    assert [sentence["end"] for sentence in answer["tunesmith"]["sentences"]] == [len("27 days [1]")]
    assert set(answer["tunesmith"]["timings_ms"]) == {
        "embed",
        "search",
        "prompt",
        "generate",
        "cite",
        "total",
    }


async def test_filters_and_threshold_reach_the_search(client: httpx.AsyncClient, vectors: TwoChunks) -> None:
    only = {"type": "eq", "key": "team", "value": "hr"}
    answer = (await _ask(client, retrieval={"filters": only, "score_threshold": 0.4})).json()
    assert vectors.only == Comparison("eq", "team", "hr")
    assert len(answer["tunesmith"]["sources"]) == 2
    answer = (await _ask(client, retrieval={"score_threshold": 0.6})).json()
    assert answer["tunesmith"]["sources"] == []
    refused = await _ask(client, retrieval={"filters": {"type": "like"}})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "filters.type")


async def test_wrong_citation_is_attributed(client: httpx.AsyncClient, engine: ScriptedEngine) -> None:
    engine.words = ("27 days [2]",)
    (citation,) = (await _ask(client)).json()["tunesmith"]["citations"]
    assert (citation["number"], citation["status"]) == (1, "attributed")


async def test_prompt_holds_instructions_earlier_turns_and_sources(
    client: httpx.AsyncClient, engine: ScriptedEngine, vectors: TwoChunks
) -> None:
    turns = [
        {"role": "system", "content": "dropped"},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": [{"type": "text", "text": "How much leave?"}]},
    ]
    await _ask(
        client, messages=turns, instructions="Be short.", retrieval={"top_k": 1}, temperature=0, seed=3
    )
    (body,) = engine.bodies
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant", "user"]
    assert body["messages"][0]["content"] == "Be short."
    assert body["messages"][-1]["content"] == render_question("How much leave?", [f"[1] {LEAVE}"])
    assert (body["temperature"], body["seed"]) == (0, 3)
    assert "vector_stores" not in body
    assert vectors.asked == [("acme/vs_1", "How much leave?", 1)]


async def test_the_chunk_that_ends_the_answer_carries_the_extension(client: httpx.AsyncClient) -> None:
    *events, done, rest = (await _ask(client, stream=True)).text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    *words, end, usage = [json.loads(event.removeprefix("data: ")) for event in events]
    assert [chunk["choices"][0]["delta"]["content"] for chunk in words] == ["27 ", "days ", "[1]"]
    assert not any("tunesmith" in chunk for chunk in words)
    assert (end["choices"][0]["finish_reason"], end["id"]) == ("stop", "chatcmpl-1")
    assert end["tunesmith"]["citations"][0]["status"] == "verified"
    assert usage["usage"] == {"total_tokens": 9}


async def test_sources_come_first_where_they_are_to_be_announced(client: httpx.AsyncClient) -> None:
    events = (await _ask(client, stream=True, retrieval={"announce": True})).text.split("\n\n")
    first, second, _, end, _ = [json.loads(event.removeprefix("data: ")) for event in events[:5]]
    assert set(first["tunesmith"]) == {"sources"}
    assert first["tunesmith"]["sources"] == end["tunesmith"]["sources"]
    assert first["choices"][0]["delta"]["content"] == "27 "
    assert "tunesmith" not in second


@pytest.mark.parametrize("stream", [False, True])
async def test_refusal_of_the_engine_keeps_its_status(
    client: httpx.AsyncClient, engine: ScriptedEngine, stream: bool
) -> None:
    fault = {
        "message": "no such model",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    engine.fault = {"error": fault, "status": 404}
    answer = await _ask(client, stream=stream)
    assert (answer.status_code, answer.json()) == (404, {"error": fault})


async def test_vectors_that_do_not_answer_are_a_503(client: httpx.AsyncClient, vectors: TwoChunks) -> None:
    vectors.down = True
    answer = await _ask(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"messages": [{"role": "system", "content": "x"}]}, "no question"),
        ({"vector_stores": []}, "vector_stores"),
        ({"n": 2}, "n:"),
        ({"vector_stores": [{**STORE, "embedder": "e5"}]}, 'was filled by embedder "e5"'),
        ({"retrieval": {"top_k": 0}}, "top_k"),
    ],
)
async def test_bad_request_is_told_in_one_sentence(
    client: httpx.AsyncClient, changes: dict[str, Any], said: str
) -> None:
    answer = await _ask(client, **changes)
    assert said in answer.json()["error"]["message"]


async def test_closing_a_stream_closes_the_engines(answerer: Answerer, engine: ScriptedEngine) -> None:
    events = answerer.stream(AnswerRequest.model_validate(_body(stream=True)))
    await anext(events)
    await events.aclose()
    assert engine.closed_early


async def test_stream_that_fails_says_so_and_ends(client: httpx.AsyncClient, engine: ScriptedEngine) -> None:
    engine.words = ("27 ", 5)  # type: ignore[assignment]  # an engine that breaks in the middle
    events = (await _ask(client, stream=True)).text.split("\n\n")
    error = json.loads(events[-3].removeprefix("data: "))["error"]
    assert error["type"] == "server_error"
    assert events[-2] == "data: [DONE]"


WITHHOLD = {"unsupported": "withhold"}


async def test_an_unsupported_answer_is_withheld_where_that_is_asked_for(
    client: httpx.AsyncClient, engine: ScriptedEngine
) -> None:
    engine.words = ("28 days [1]",)
    kept = (await _ask(client)).json()
    assert kept["choices"][0]["message"]["content"] == "28 days [1]"
    assert "withheld" not in kept["tunesmith"]
    answer = (await _ask(client, retrieval=WITHHOLD)).json()
    assert answer["choices"][0]["message"]["content"] == "The documents do not say."
    assert (answer["tunesmith"]["abstained"], answer["tunesmith"]["withheld"]) == (True, "28 days [1]")
    assert answer["tunesmith"]["sentences"] == []


async def test_a_platform_may_withhold_by_default_and_a_request_keep(
    engine: ScriptedEngine, vectors: TwoChunks
) -> None:
    engine.words = ("28 days [1]",)
    answerer = Answerer(
        embedder=HashingEmbedder(),
        vectors=vectors,
        engine=engine,
        retrieval=RetrievalConfig(unsupported="withhold"),
    )
    withheld = await answerer.complete(AnswerRequest.model_validate(_body()))
    assert withheld["tunesmith"]["withheld"] == "28 days [1]"
    kept = await answerer.complete(AnswerRequest.model_validate(_body(retrieval={"unsupported": "keep"})))
    assert kept["choices"][0]["message"]["content"] == "28 days [1]"


class Distant(HashingEmbedder):
    """An embedder to which no two texts are close; it can go away after the question."""

    def __init__(self, *, stays: bool) -> None:
        super().__init__()
        self._stays = stays

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if len(texts) > 1 and not self._stays:
            raise UnavailableError("The embedder does not answer.")
        return [[float(index == place) for index in range(len(texts))] for place in range(len(texts))]


@pytest.mark.parametrize(("stays", "supported"), [(True, False), (False, True)])
async def test_by_meaning_a_sentence_is_compared_too_and_by_words_where_the_embedder_has_gone(
    engine: ScriptedEngine, vectors: TwoChunks, stays: bool, supported: bool
) -> None:
    answerer = Answerer(
        embedder=Distant(stays=stays), vectors=vectors, engine=engine, retrieval=RetrievalConfig()
    )
    by_meaning = {"context_by": "meaning", "context_needed": 0.6}
    answer = await answerer.complete(AnswerRequest.model_validate(_body(retrieval=by_meaning)))
    assert [sentence["supported"] for sentence in answer["tunesmith"]["sentences"]] == [supported]
    by_words = await answerer.complete(AnswerRequest.model_validate(_body(retrieval={"context_needed": 0.6})))
    assert [sentence["supported"] for sentence in by_words["tunesmith"]["sentences"]] == [True]


@pytest.mark.parametrize(("words", "said"), [("27 days [1]", "27 days [1]"), ("28 days [1]", "")])
async def test_a_stream_says_nothing_before_the_whole_answer_is_checked(
    client: httpx.AsyncClient, engine: ScriptedEngine, words: str, said: str
) -> None:
    engine.words = tuple(words.split())
    events = _events((await _ask(client, stream=True, retrieval=WITHHOLD)).text)
    pieces = [choice["delta"].get("content") for event in events for choice in event["choices"]]
    ended = next(event for event in events if "tunesmith" in event)
    if said:
        assert "".join(piece or "" for piece in pieces) == "".join(engine.words)
        assert "withheld" not in ended["tunesmith"]
    else:
        assert pieces == ["The documents do not say."], "one piece, on the chunk that ends the answer"
        assert ended["tunesmith"]["withheld"] == "".join(engine.words)
    assert ended["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"] == {"total_tokens": 9}


async def test_words_beside_a_call_of_a_tool_are_not_withheld(
    client: httpx.AsyncClient, engine: ScriptedEngine
) -> None:
    engine.words, engine.calls = ("Let me look at 28 things.",), [{"id": "call_1", "type": "function"}]
    answer = (await _ask(client, retrieval=WITHHOLD)).json()
    assert answer["choices"][0]["message"]["content"] == engine.words[0]
    assert "withheld" not in answer["tunesmith"]
    events = _events((await _ask(client, stream=True, retrieval=WITHHOLD)).text)
    said = [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]
    assert "".join(said) == engine.words[0]
