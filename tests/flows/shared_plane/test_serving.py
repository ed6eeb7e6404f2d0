"""The data plane, for real: Ray Serve, vLLM on CPU, Milvus Lite, embeddings."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import httpx
import openai
import psutil
import pytest
from serving_plane import EMBEDDER, NUM_TOKENS, QUESTION, TEXTS, Plane
from tiny_llama import greedy

from tunesmith.engines.embedder import open_embedder
from tunesmith.rag.prompt import build_messages
from tunesmith.records import Chunk, Hit, Source

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]

WHOLE_ANSWER = 800
REPLICA = "ray::ServeReplica:engine:engine"


@pytest.fixture(scope="module")
def plane(one_plane: Plane) -> Plane:
    one_plane.scale(1)
    return one_plane


def _events(text: str) -> list[dict[str, Any]]:
    *events, done, rest = text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def _said(events: Sequence[dict[str, Any]]) -> str:
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def test_base_says_what_transformers_says(plane: Plane) -> None:
    expected = greedy(plane.base, QUESTION, max_tokens=NUM_TOKENS)
    assert plane.complete(plane.model) == expected
    stream = plane.client.chat.completions.create(
        model=plane.model, messages=QUESTION, temperature=0, max_tokens=NUM_TOKENS, stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == expected


def test_adapters_registered_while_it_runs_say_what_peft_says(plane: Plane) -> None:
    # One more than fit into memory: asked in turn, each throws the one out that comes next.
    names = [f"ft:{plane.model}:acme:leave:00000{seed}" for seed in range(plane.engine.max_loras + 1)]
    with pytest.raises(openai.NotFoundError):
        plane.complete(names[0])
    folders = [plane.register(name, seed=seed) for seed, name in enumerate(names, 1)]
    expected = [greedy(plane.base, QUESTION, max_tokens=NUM_TOKENS, adapter=folder) for folder in folders]
    base = greedy(plane.base, QUESTION, max_tokens=NUM_TOKENS)
    assert len({base, *expected}) == len(names) + 1
    assert [plane.complete(name) for name in (*names, *names, plane.model)] == [*expected, *expected, base]


def test_unknown_model_is_an_openai_404(plane: Plane) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        plane.complete(f"ft:{plane.model}:acme:leave:ffffff")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


def test_too_large_an_adapter_is_told(plane: Plane) -> None:
    name = f"ft:{plane.model}:acme:wide:000016"
    plane.register(name, seed=3, rank=16)
    with pytest.raises(openai.BadRequestError, match="rank 16, the engine takes 8"):
        plane.complete(name)
    answer = plane.ask(model=name)
    assert answer.status_code == 400
    assert "rank 16" in answer.json()["error"]["message"]


def test_too_long_a_prompt_has_its_code(plane: Plane) -> None:
    long = [{"role": "user", "content": "leave " * 2000}]
    with pytest.raises(openai.BadRequestError) as refused:
        plane.client.chat.completions.create(model=plane.model, messages=long)
    assert refused.value.code == "context_length_exceeded"


def test_schema_bounds_what_is_decoded(plane: Plane) -> None:
    schema = {
        "type": "object",
        "properties": {"answer": {"enum": ["27 days", "none"]}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    said = plane.client.chat.completions.create(
        model=plane.model,
        messages=QUESTION,
        max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "house", "schema": schema}},
    )
    assert json.loads(said.choices[0].message.content)["answer"] in ("27 days", "none")


@pytest.mark.parametrize("route", ["v1/load_lora_adapter", "v1/unload_lora_adapter", "scale_elastic_ep"])
def test_routes_that_change_the_engine_are_not_there(plane: Plane, route: str) -> None:
    body = {"lora_name": "x", "lora_path": "/"}
    assert httpx.post(f"{plane.url}/engine/{route}", json=body).status_code == 404


def test_embeddings_are_the_embedders(plane: Plane) -> None:
    client = openai.OpenAI(base_url=f"{plane.url}/embed/v1", api_key="none", max_retries=0, timeout=60)
    served = client.embeddings.create(model=EMBEDDER, input=list(TEXTS), encoding_format="float")
    for entry, vector in zip(served.data, open_embedder(EMBEDDER).embed(TEXTS), strict=True):
        assert entry.embedding == pytest.approx(vector, abs=1e-5)
    assert served.usage.prompt_tokens > 20


def test_answer_is_the_engines_from_numbered_sources(plane: Plane) -> None:
    answer = plane.ask().json()
    sources = answer["tunesmith"]["sources"]
    assert [source["number"] for source in sources] == [1, 2]
    assert sources[0]["text"] == TEXTS[0]
    assert sources[0]["score"] > sources[1]["score"]
    shown = tuple(
        Source(source["number"], Hit(Chunk("", "", "", 0, 0, 0, source["text"]), 0, "")) for source in sources
    )
    prompt = build_messages(QUESTION[0]["content"], shown)
    turns = [{"role": message.role, "content": message.content} for message in prompt]
    expected = greedy(plane.base, turns, max_tokens=NUM_TOKENS)
    assert answer["choices"][0]["message"]["content"] == expected
    events = _events(plane.ask(stream=True).text)
    assert _said(events) == expected
    # The extension rides on the chunk that ends the answer: programs read `choices[0]` of every one.
    assert [choice["finish_reason"] for choice in events[-1]["choices"]] == ["length"]
    assert events[-1]["tunesmith"]["sources"] == sources


@pytest.mark.parametrize("stream", [False, True])
def test_answer_by_an_unknown_model_is_a_404(plane: Plane, stream: bool) -> None:
    answer = plane.ask(model="nobody", stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("path", ["engine", "answer"])
@pytest.mark.parametrize("stream", [True, False])
def test_request_given_up_stops_generating(plane: Plane, path: str, stream: bool) -> None:
    before = plane.tokens_generated()
    body: dict[str, Any] = {"ignore_eos": True, "max_tokens": WHOLE_ANSWER, "stream": stream}
    if path == "engine":
        body |= {"model": plane.model, "messages": QUESTION}
        request = httpx.Request("POST", f"{plane.url}/engine/v1/chat/completions", json=body)
    else:
        request = plane.ask_request(**body)
    with httpx.Client(timeout=60 if stream else 0.5) as client:
        if stream:
            next(client.send(request, stream=True).iter_text())
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.send(request)
    # It would go on to the last token: that many were asked for, and nothing else may end it.
    assert _settled(plane) - before < WHOLE_ANSWER


def _settled(plane: Plane) -> float:
    """Tokens generated, once their number has not changed for two seconds."""
    tokens = plane.tokens_generated()
    unchanged_since = time.monotonic()
    while time.monotonic() < unchanged_since + 2:
        time.sleep(0.2)
        if (now := plane.tokens_generated()) != tokens:
            tokens, unchanged_since = now, time.monotonic()
    return tokens


def test_killed_replica_leaves_no_engine_and_its_successor_knows_the_adapters(plane: Plane) -> None:
    name = f"ft:{plane.model}:acme:again:000009"
    folder = plane.register(name, seed=9)
    expected = greedy(plane.base, QUESTION, max_tokens=NUM_TOKENS, adapter=folder)
    assert plane.complete(name) == expected
    replica = next(p for p in psutil.Process().children(recursive=True) if _title(p).startswith(REPLICA))
    engine = next(child for child in replica.children() if "EngineCore" in _title(child))
    replica.kill()
    engine.wait(timeout=10)
    deadline = time.monotonic() + 240
    while True:
        try:
            assert plane.complete(name) == expected
            return
        except openai.APIError:
            assert time.monotonic() < deadline
            time.sleep(1)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
