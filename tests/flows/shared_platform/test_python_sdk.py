"""The official Python SDK on the running platform, as far as engines are needed: each method of these resources, each
body, each error body and each event of a stream held against the OpenAI specification as it comes over the wire.
`tests/api/test_python_sdk.py` has the others. The tests share one ear; the last one looks back at what it heard.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import openai
import pytest
from live_platform import LivePlatform
from pydantic import BaseModel
from tests.api.openapi import load_spec
from tests.api.sdk import Ear
from tests.api.sdk_surface import WITH_ENGINE, served
from tests.api.streams import check_chunks, check_response_events

from tunesmith.config.evaluate import HOUSE_INSTRUCTIONS

pytestmark = pytest.mark.flow

BASE, EMBEDDER, HOSTED = "tiny-reader", "all-MiniLM-L6-v2", "gpt-4o-mini-2024-07-18"
QUESTION = "How many days of leave do full-time staff at Thornby receive?"
MESSAGES = [{"role": "user", "content": QUESTION}]
LEAVE = b"# Leave at Thornby\n\nFull-time staff at Thornby receive 29 days of leave each year.\n"
EXAMPLE = {"messages": [*MESSAGES, {"role": "assistant", "content": "29 days."}]}
LEAVE_TOOL = {
    "name": "days_of_leave",
    "description": "Days of leave of a kind of staff.",
    "parameters": {
        "type": "object",
        "properties": {"staff": {"type": "string", "enum": ["full-time", "part-time"]}},
        "required": ["staff"],
        "additionalProperties": False,
    },
}

LEAVE_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "days_of_leave", "arguments": '{"staff": "full-time"}'},
}


class House(BaseModel):
    """The form that the shipped model has learnt."""

    answer: str | None
    sources: list[int]


class Verdict(BaseModel):
    """Short enough for a small model to end."""

    verdict: Literal["yes", "no"]


@pytest.fixture(scope="module")
def ear() -> Ear:
    return Ear(load_spec())


@pytest.fixture(scope="module")
def client(ear: Ear, platform: LivePlatform) -> Iterator[openai.OpenAI]:
    with ear.client(api_key=platform.key, base_url=platform.base_url, timeout=120) as opened:
        yield opened


@pytest.fixture
def sdk(ear: Ear, client: openai.OpenAI) -> Any:
    """The official client, watched."""
    return ear.watched(client)


def until(holds: Callable[[], bool], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.25)


def test_chat_completions(sdk: Any) -> None:
    create = sdk.chat.completions.create
    several = create(
        model=BASE,
        messages=MESSAGES,
        max_completion_tokens=6,
        n=2,
        seed=3,
        logprobs=True,
        top_logprobs=2,
        stop=["\n"],
        metadata={"team": "hr"},
        store=True,
        user="someone",
    )
    assert [choice.index for choice in several.choices] == [0, 1]
    assert all(len(token.top_logprobs) == 2 for token in several.choices[0].logprobs.content)
    again = [create(model=BASE, messages=MESSAGES, max_tokens=6, seed=3, temperature=1) for _ in range(2)]
    assert again[0].choices[0].message.content == again[1].choices[0].message.content

    # A small model may write white space without end; repeating itself costs it something.
    parsed = sdk.chat.completions.parse(
        model=BASE,
        messages=MESSAGES,
        max_tokens=200,
        response_format=Verdict,
        temperature=0,
        frequency_penalty=2,
    )
    assert parsed.choices[0].message.parsed.verdict in ("yes", "no")
    as_object = create(
        model=BASE, messages=MESSAGES, max_tokens=4, response_format={"type": "json_object"}, temperature=0
    )
    assert as_object.choices[0].message.content.lstrip().startswith("{")

    answered = create(
        model=BASE,
        messages=[
            *MESSAGES,
            {"role": "assistant", "content": None, "tool_calls": [LEAVE_CALL]},
            {"role": "tool", "tool_call_id": LEAVE_CALL["id"], "content": "29"},
        ],
        tools=[{"type": "function", "function": LEAVE_TOOL}],
        tool_choice="none",
        max_tokens=4,
    )
    assert answered.choices[0].message.role == "assistant"
    grounded = create(model=BASE, messages=MESSAGES, max_tokens=4, extra_body={"vector_stores": []})
    assert grounded.usage.total_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_chat_completions_that_are_refused(sdk: Any, stream: bool) -> None:
    def refused(**fields: Any) -> openai.APIError:
        with pytest.raises(openai.APIError) as told:
            list(
                sdk.chat.completions.create(
                    **{"model": BASE, "messages": MESSAGES, "stream": stream} | fields
                )
            )
        return told.value

    assert refused(model="nobody").code == "model_not_found"
    assert refused(messages=[{"role": "user", "content": "leave " * 5000}]).code == "context_length_exceeded"
    for wrong in (
        {"temperature": -1},
        {"messages": []},
        {"messages": [{"role": "wizard", "content": "a"}]},
        {"max_tokens": 0},
        {"n": 0},
        {"top_logprobs": 100, "logprobs": True},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "fun"}}}},
        {"modalities": ["audio"]},
        {"tools": [{"type": "function"}]},
        {"logit_bias": {"a": 1}},
    ):
        told = refused(**wrong)
        assert isinstance(told, openai.BadRequestError), (wrong, "also where the engine finds it in a stream")
        assert told.type == "invalid_request_error", wrong
    left_out = refused(tools=[{"type": "function", "function": LEAVE_TOOL}])
    assert "engine.tool_call_parser" in left_out.message
    assert left_out.param == "tool_choice"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "days_of_leave"}}])
def test_a_call_that_is_asked_for_is_made(sdk: Any, ear: Ear, choice: Any, stream: bool) -> None:
    asked = {
        "model": BASE,
        "messages": MESSAGES,
        "tools": [{"type": "function", "function": LEAVE_TOOL}],
        "tool_choice": choice,
        "parallel_tool_calls": False,
        "max_tokens": 100,
        "temperature": 0,
        "frequency_penalty": 2,
    }
    if stream:
        with sdk.chat.completions.stream(**asked) as events:
            told = events.get_final_completion()
        check_chunks(ear.last_stream(), usage=False)
    else:
        told = sdk.chat.completions.create(**asked)
    [call] = told.choices[0].message.tool_calls
    assert call.function.name == "days_of_leave"
    assert json.loads(call.function.arguments)["staff"] in ("full-time", "part-time")


def test_a_chat_stream_event_by_event(sdk: Any, ear: Ear) -> None:
    asked = {"model": BASE, "messages": MESSAGES, "max_tokens": 8, "temperature": 0}
    whole = sdk.chat.completions.create(**asked)
    chunks = list(sdk.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    check_chunks(ear.last_stream(), usage=True)
    assert len(ear.last_stream()) == len(chunks)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens

    list(
        sdk.chat.completions.create(
            **asked | {"temperature": 1}, stream=True, n=2, logprobs=True, top_logprobs=2
        )
    )
    check_chunks(ear.last_stream(), usage=False, num_choices=2)
    assert any(choice["logprobs"] for chunk in ear.last_stream() for choice in chunk["choices"])

    with sdk.chat.completions.stream(
        **asked | {"max_tokens": 200, "frequency_penalty": 2}, response_format=Verdict
    ) as events:
        kinds = [event.type for event in events]
        assert events.get_final_completion().choices[0].message.parsed.verdict in ("yes", "no")
    assert kinds[-1] == "content.done"
    check_chunks(ear.last_stream(), usage=False)


def test_completions(sdk: Any, ear: Ear) -> None:
    asked = {"model": BASE, "prompt": "Full-time staff receive", "max_tokens": 4, "temperature": 0}
    whole = sdk.completions.create(**asked, logprobs=2, seed=1)
    assert len(whole.choices[0].logprobs.tokens) == whole.usage.completion_tokens
    several = sdk.completions.create(
        **asked | {"prompt": ["a", "b"], "temperature": 1}, n=2, echo=True, stop="\n"
    )
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    chunks = list(
        sdk.completions.create(**asked, stream=True, logprobs=2, stream_options={"include_usage": True})
    )
    check_chunks(ear.last_stream(), usage=True)
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == whole.choices[0].text
    for wrong in ({"best_of": 3}, {"prompt": []}, {"max_tokens": -1}, {"logprobs": 1000}):
        with pytest.raises(openai.BadRequestError):
            sdk.completions.create(**asked | wrong)


def test_embeddings(sdk: Any) -> None:
    packed, plain = (
        sdk.embeddings.create(model=EMBEDDER, input=["leave", "canteen"], **form).data
        for form in ({}, {"encoding_format": "float"})
    )
    assert packed[1].embedding == pytest.approx(plain[1].embedding, abs=1e-6)
    assert len(plain[0].embedding) == 384
    raw = sdk.embeddings.with_raw_response.create(model=EMBEDDER, input="leave").http_response.json()
    assert isinstance(raw["data"][0]["embedding"], str), (
        "base64 is what the client asks for unless it is told not to"
    )
    short = sdk.embeddings.create(model=EMBEDDER, input="leave", dimensions=8).data[0].embedding
    assert sum(number * number for number in short) == pytest.approx(1, abs=1e-5)
    for wrong in ({"input": ""}, {"input": [[1, 2]]}, {"dimensions": 0}, {"encoding_format": "int8"}):
        with pytest.raises(openai.BadRequestError):
            sdk.embeddings.create(**{"model": EMBEDDER, "input": "leave"} | wrong)
    with pytest.raises(openai.NotFoundError):
        sdk.embeddings.create(model=BASE, input="leave")


def test_responses(sdk: Any) -> None:
    store = _filled_store(sdk)
    asked = {"model": BASE, "input": QUESTION, "temperature": 0, "max_output_tokens": 60}
    search = {"type": "file_search", "vector_store_ids": [store], "max_num_results": 2}
    results = ["file_search_call.results"]
    first = sdk.responses.create(**asked, tools=[search], include=results, metadata={"team": "hr"})
    assert [item.type for item in first.output] == ["file_search_call", "message"]
    assert first.output[0].results
    assert sdk.responses.retrieve(first.id, include=results).output == first.output
    second = sdk.responses.create(**asked, previous_response_id=first.id, instructions="Be brief.")
    items = list(sdk.responses.input_items.list(second.id, limit=1, order="asc"))
    assert [item.type for item in items] == ["message", "file_search_call", "message", "message"]
    parsed = sdk.responses.parse(
        **asked | {"max_output_tokens": 100},
        instructions=HOUSE_INSTRUCTIONS,
        tools=[search],
        text_format=House,
    )
    assert parsed.output_parsed.sources
    told = sdk.responses.create(
        **asked | {"max_output_tokens": 4}, include=["message.output_text.logprobs"], top_logprobs=2
    )
    assert told.output[0].content[0].logprobs
    tool = {"type": "function", "strict": True, **LEAVE_TOOL}
    call = {"type": "function_call", "call_id": "call_1", **LEAVE_CALL["function"]}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "29"}
    again = asked | {"input": [call, result], "max_output_tokens": 4, "previous_response_id": second.id}
    assert sdk.responses.create(**again, tools=[tool], tool_choice="none").output
    with pytest.raises(openai.BadRequestError):
        sdk.responses.cancel(first.id)
    sdk.responses.delete(first.id)
    for gone in (
        sdk.responses.retrieve,
        sdk.responses.delete,
        sdk.responses.cancel,
        sdk.responses.input_items.list,
    ):
        with pytest.raises(openai.NotFoundError):
            gone(first.id)
    sdk.vector_stores.delete(store)


def _filled_store(sdk: Any) -> str:
    store = sdk.vector_stores.create(name="thornby for answers")
    sdk.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("leave.md", LEAVE))
    return str(store.id)


def test_a_response_stream_event_by_event(sdk: Any, ear: Ear) -> None:
    store = _filled_store(sdk)
    search = {"type": "file_search", "vector_store_ids": [store]}
    asked = {"model": BASE, "input": QUESTION, "temperature": 0}
    with sdk.responses.stream(**asked, tools=[search], include=["file_search_call.results"]) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_response()
    check_response_events(ear.last_stream())
    assert [event["type"] for event in ear.last_stream()] == events
    assert "response.output_text.annotation.added" in events
    assert final.output[1].content[0].annotations
    assert sdk.responses.retrieve(final.id).output_text == final.output_text

    for fields in (
        {"max_output_tokens": 2},
        {"max_output_tokens": 4, "include": ["message.output_text.logprobs"], "top_logprobs": 2},
        {"store": False, "max_output_tokens": 3, "instructions": "Be brief."},
    ):
        list(sdk.responses.create(**asked, **fields, stream=True))
        check_response_events(ear.last_stream())
    sdk.vector_stores.delete(store)


@pytest.mark.parametrize("stream", [False, True])
def test_responses_that_are_refused(sdk: Any, stream: bool) -> None:
    def refused(**fields: Any) -> openai.APIStatusError:
        with pytest.raises(openai.APIStatusError) as told:
            sdk.responses.create(**{"model": BASE, "input": QUESTION, "stream": stream} | fields)
        return told.value

    assert refused(model="nobody").code == "model_not_found"
    assert refused(input="leave " * 5000).code == "context_length_exceeded"
    assert refused(previous_response_id="resp_nobody").code == "previous_response_not_found"
    for wrong in (
        {"background": True},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "file_search", "vector_store_ids": ["vs_nobody"]}]},
        {"temperature": 3},
        {"truncation": "auto"},
        {
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "https://example.com/a.png"}],
                }
            ]
        },
    ):
        assert refused(**wrong).status_code in (400, 404), wrong


def test_vector_stores(sdk: Any) -> None:
    stores, files, batches = sdk.vector_stores, sdk.vector_stores.files, sdk.vector_stores.file_batches
    store = stores.create(
        name="thornby", metadata={"team": "hr"}, expires_after={"anchor": "last_active_at", "days": 2}
    )
    assert stores.update(store.id, name="thornby 2", metadata={"team": "it"}).metadata == {"team": "it"}
    assert stores.retrieve(store.id).name == "thornby 2"
    assert store.id in [one.id for one in stores.list(limit=1)]

    texts = [LEAVE.replace(b"29", str(days).encode()) for days in range(31, 39)]
    uploaded = [
        sdk.files.create(file=(f"{n}.md", text), purpose="assistants").id for n, text in enumerate(texts)
    ]
    by_id = {"vector_store_id": store.id}
    attached = files.create(store.id, file_id=uploaded[0], attributes={"year": 2026})
    assert files.poll(attached.id, **by_id).status == "completed"
    chunking = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
    assert files.create_and_poll(uploaded[1], **by_id, chunking_strategy=chunking).status == "completed"
    files.poll(files.upload(**by_id, file=("up.md", texts[2])).id, **by_id)
    broken = files.upload_and_poll(**by_id, file=("broken.pdf", b"no pdf"))
    assert (broken.status, broken.last_error.code) == ("failed", "invalid_file")
    assert files.retrieve(uploaded[0], **by_id).attributes == {"year": 2026}
    assert files.update(uploaded[0], **by_id, attributes={"year": 2025}).attributes == {"year": 2025}
    assert "31 days" in "".join(part.text for part in files.content(uploaded[0], **by_id))
    assert len(list(files.list(store.id, limit=1, filter="completed", order="asc"))) == 3

    made = batches.create(store.id, file_ids=uploaded[2:4])
    assert batches.poll(made.id, **by_id).status == "completed"
    assert batches.retrieve(made.id, **by_id).file_counts.completed == 2
    assert {file.id for file in batches.list_files(made.id, **by_id, limit=1)} == set(uploaded[2:4])
    each = [{"file_id": uploaded[4], "attributes": {"year": 2024}}, {"file_id": uploaded[5]}]
    assert batches.create_and_poll(store.id, files=each).status == "completed"
    assert batches.upload_and_poll(store.id, files=[("new.md", texts[6])]).file_counts.completed == 1
    assert batches.cancel(batches.create(store.id, file_ids=uploaded[6:]).id, **by_id).status in (
        "cancelled",
        "completed",
    )

    newer = {"type": "gte", "key": "year", "value": 2025}
    hits = stores.search(store.id, query=QUESTION, filters=newer, max_num_results=3, rewrite_query=False)
    assert {hit.file_id for hit in hits} == {uploaded[0]}
    assert stores.search(store.id, query=["leave", "days"], ranking_options={"score_threshold": 0.0}).data
    assert files.delete(uploaded[0], **by_id).deleted

    for call in (stores.retrieve, stores.delete, stores.update):
        with pytest.raises(openai.NotFoundError):
            call("vs_nobody")
    for call in (files.retrieve, files.delete, files.content):
        with pytest.raises(openai.NotFoundError):
            call("file-nobody", **by_id)
    for call in (batches.retrieve, batches.cancel, batches.list_files):
        with pytest.raises(openai.NotFoundError):
            call("vsfb_nobody", **by_id)
    for wrong in ({"max_num_results": 51}, {"filters": {"type": "eq"}}, {"query": []}):
        with pytest.raises(openai.BadRequestError):
            stores.search(**{"vector_store_id": store.id, "query": "leave"} | wrong)
    with pytest.raises(openai.BadRequestError):
        stores.create(expires_after={"anchor": "last_active_at", "days": 0})
    assert stores.delete(store.id).deleted
    for file_id in uploaded:
        sdk.files.delete(file_id)


def test_batches(sdk: Any) -> None:
    lines = [
        {"custom_id": f"line {n}", "method": "POST", "url": "/v1/chat/completions",
         "body": {"model": model, "messages": MESSAGES, "max_tokens": 2}}
        for n, model in enumerate((BASE, BASE, "nobody"))
    ]  # fmt: skip
    text = "\n".join(json.dumps(line) for line in lines).encode()
    file = sdk.files.create(file=("batch.jsonl", text), purpose="batch")
    asked = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = sdk.batches.create(**asked, metadata={"made": "by the sdk"})
    given_up = sdk.batches.create(**asked)
    assert sdk.batches.cancel(given_up.id).status in ("cancelling", "cancelled")
    until(lambda: sdk.batches.retrieve(batch.id).status == "completed")
    done = sdk.batches.retrieve(batch.id)
    assert (done.request_counts.completed, done.request_counts.failed) == (2, 1)
    answers = [json.loads(line) for line in sdk.files.content(done.output_file_id).text.splitlines()]
    assert {answer["custom_id"] for answer in answers} == {"line 0", "line 1"}
    refused = json.loads(sdk.files.content(done.error_file_id).text)
    assert refused["custom_id"] == "line 2"
    assert {batch.id, given_up.id} <= {one.id for one in sdk.batches.list(limit=1)}
    for call in (sdk.batches.retrieve, sdk.batches.cancel):
        with pytest.raises(openai.NotFoundError):
            call("batch_nobody")
    for wrong in ({"endpoint": "/v1/images"}, {"input_file_id": "file-nobody"}, {"completion_window": "1h"}):
        with pytest.raises(openai.BadRequestError):
            sdk.batches.create(**asked | wrong)


def test_nothing_was_left_out(ear: Ear, client: openai.OpenAI) -> None:
    assert served(WITH_ENGINE) - ear.called == set()
    if ear.spec is None:
        pytest.skip("the OpenAPI spec of the shared data is not at hand")
    parts = ("batches", "chat", "completions", "embeddings", "moderations", "responses", "vector_stores")
    mine = tuple(f"/v1/{part}" for part in parts)
    missing = {route for route in ear.unanswered(client) if route.split()[1].startswith(mine)}
    # Neither is ever granted.
    assert missing == {"POST /v1/moderations", "POST /v1/responses/{response_id}/cancel"}
