"""`/v1/responses` through the official client and as it is; every body and event against the specification."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from tunesmith.records import Alias
from tunesmith.stores.database import ProjectRow
from tunesmith.stores.documents import document_file_id
from tunesmith.stores.keys import KeyStore
from tunesmith.stores.registry import Registry
from tunesmith.stores.vectors import StoreRecord

ROUTE = "/v1/responses"
ASKED = {"model": "tiny-reader", "input": "How many days?"}
SEARCH = {"type": "file_search", "vector_store_ids": ["handbook"]}
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}
TEXT = "27 days [1]. Ask HR."
SOURCES = [
    {"number": 1, "store": "handbook", "store_id": "vs_1", "attributes": {},
     "document": "hr/leave.md", "title": "Leave", "start": 0, "end": 8,
     "text": "27 days.", "score": 0.03},
    {"number": 2, "store": "handbook", "store_id": "vs_1", "attributes": {},
     "document": "canteen.md", "title": "Canteen", "start": 0, "end": 6,
     "text": "11:30.", "score": 0.02},
]  # fmt: skip
CITATION = {
    "number": 1,
    "document": "hr/leave.md",
    "start": 0,
    "end": 8,
    "text": "27 days.",
    "status": "verified",
}
GROUNDING = {
    "abstained": False,
    "citations": [CITATION],
    "sentences": [
        {"text": "27 days", "end": 12, "supported": True, "citations": [CITATION, CITATION]},
        {"text": "Ask HR.", "end": 20, "supported": False, "citations": []},
    ],
    "sources": SOURCES,
    "timings_ms": {"total": 1.0},
}
USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 4,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 3},
}
LEAVE_FILE = document_file_id(StoreRecord("vs_1", "default", "handbook", "c1", "mini"), "hr/leave.md")
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}

Conforms = Callable[[str, Any], None]


def _message(text: str | None, finish_reason: str = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **more}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], "usage": USAGE}


def _chunk(content: str | None, finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    delta = delta | ({"content": content} if content is not None else {})
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def _grounded_chunks() -> list[dict[str, Any]]:
    return [
        _chunk("", role="assistant") | {"tunesmith": {"sources": SOURCES}},
        *map(_chunk, ("27 ", "days ", "[1].", " Ask HR.")),
        _chunk("", "stop") | {"tunesmith": GROUNDING},
        {"choices": [], "usage": USAGE},
    ]


def _events(http: httpx.Client, conforms: Conforms, **changes: Any) -> list[dict[str, Any]]:
    response = http.post(ROUTE, json=ASKED | {"stream": True} | changes)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in response.text.strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        conforms("ResponseStreamEvent", event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def _answer(http: httpx.Client, conforms: Conforms, *, stream: bool, **changes: Any) -> dict[str, Any]:
    if stream:
        return _events(http, conforms, **changes)[-1]["response"]
    answer = http.post(ROUTE, json=ASKED | changes).json()
    conforms("Response", answer)
    return answer


def _types(events: list[dict[str, Any]]) -> list[str]:
    names = [event["type"].removeprefix("response.") for event in events]
    return [name for name, _ in itertools.groupby(names)]


@pytest.fixture
def grounded(plane, store):
    plane.completion = _message(TEXT) | {"tunesmith": GROUNDING}
    plane.chunks = _grounded_chunks()
    return plane


def test_a_plain_answer_has_every_key_that_the_specification_requires(http, plane, conforms):
    plane.completion = _message("hello")
    answer = http.post(
        ROUTE, json=ASKED | {"instructions": "Be brief.", "max_output_tokens": 9, "top_p": 0.5}
    ).json()

    conforms("Response", answer)
    path, sent = plane.requests[0]
    assert path == "/engine/v1/chat/completions"
    assert sent == {
        "model": "tiny-reader",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How many days?"},
        ],
        "stream": False,
        "max_completion_tokens": 9,
        "top_p": 0.5,
    }
    (message,) = answer["output"]
    assert message["content"] == [{"type": "output_text", "text": "hello", "annotations": [], "logprobs": []}]
    assert (answer["status"], answer["model"], answer["error"]) == ("completed", "tiny-reader", None)
    assert answer["usage"] == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 9,
    }


def test_a_search_is_an_item_and_its_citations_stand_where_their_sentence_ends(client, grounded):
    response = client.responses.create(
        **ASKED, tools=[{**SEARCH, "max_num_results": 2}], include=["file_search_call.results"]
    )
    path, sent = grounded.requests[0]
    assert path == "/answer/v1/chat/completions"
    assert sent["retrieval"] == {"top_k": 2}
    assert [store["id"] for store in sent["vector_stores"]] == ["vs_1"]

    search, message = response.output
    assert (search.type, search.status, search.queries) == (
        "file_search_call",
        "completed",
        ["How many days?"],
    )
    assert [(found.filename, found.text, found.score) for found in search.results] == [
        ("hr/leave.md", "27 days.", 0.03),
        ("canteen.md", "11:30.", 0.02),
    ]
    (citation,) = message.content[0].annotations
    assert (citation.type, citation.filename, citation.file_id) == (
        "file_citation",
        "hr/leave.md",
        LEAVE_FILE,
    )
    assert response.output_text[: citation.index] == "27 days [1]."
    assert response.output_text == TEXT
    assert response.model_extra["tunesmith"]["abstained"] is False
    assert "sources" not in response.model_extra["tunesmith"]


def test_what_a_search_found_is_shown_only_where_it_is_asked_for(http, grounded, conforms):
    answer = http.post(ROUTE, json=ASKED | {"tools": [SEARCH]}).json()
    conforms("Response", answer)
    assert answer["output"][0]["results"] is None
    kept = f"{ROUTE}/{answer['id']}"
    assert http.get(kept).json() == answer
    asked_for = http.get(kept, params={"include[]": "file_search_call.results"}).json()
    conforms("Response", asked_for)
    assert [found["filename"] for found in asked_for["output"][0]["results"]] == ["hr/leave.md", "canteen.md"]


def test_the_stream_of_a_search_tells_everything_once(http, grounded, conforms):
    events = _events(http, conforms, tools=[SEARCH], include=["file_search_call.results"])
    assert _types(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "file_search_call.in_progress",
        "file_search_call.searching",
        "file_search_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert grounded.requests[0][1]["retrieval"] == {"announce": True}
    by_type = {event["type"].removeprefix("response."): event for event in events}
    assert [event["delta"] for event in events if "delta" in event["type"]] == [
        "27 ",
        "days ",
        "[1].",
        " Ask HR.",
    ]
    assert by_type["output_text.done"]["text"] == TEXT
    found = next(event["item"] for event in events if event["type"] == "response.output_item.done")
    assert [result["filename"] for result in found["results"]] == ["hr/leave.md", "canteen.md"]
    annotation = by_type["output_text.annotation.added"]["annotation"]
    assert annotation == {
        "type": "file_citation", "file_id": LEAVE_FILE, "filename": "hr/leave.md", "index": 12
    }  # fmt: skip
    last = by_type["completed"]["response"]
    assert [item["id"] for item in last["output"]] == [
        event["item"]["id"] for event in events if event["type"] == "response.output_item.done"
    ]
    assert last["output"][1]["content"][0]["annotations"] == [annotation]
    assert last["usage"]["output_tokens"] == 4
    whole = http.post(ROUTE, json=ASKED | {"tools": [SEARCH], "include": ["file_search_call.results"]}).json()
    own = ("id", "created_at", "completed_at", "output")
    assert {name: last[name] for name in last if name not in own} == {
        name: whole[name] for name in whole if name not in own
    }


def test_the_official_client_accumulates_the_stream(client, grounded):
    with client.responses.stream(**ASKED, tools=[SEARCH]) as stream:
        said = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(said) == final.output_text == TEXT
    assert final.output[1].content[0].annotations[0].filename == "hr/leave.md"
    assert client.responses.retrieve(final.id).output_text == TEXT


def test_deltas_arrive_as_they_are_made(http, plane):
    plane.chunks, plane.pause_seconds = [*map(_chunk, "abcd"), _chunk("", "stop")], 0.2
    arrived = []
    with http.stream("POST", ROUTE, json=ASKED | {"stream": True}) as response:
        for line in response.iter_lines():
            if line == "event: response.output_text.delta":
                arrived.append(time.monotonic())  # noqa: PERF401
    # Told at the end, all would come at once; on a busy machine single gaps say little.
    assert len(arrived) == 4
    assert arrived[-1] - arrived[0] > 0.3


def test_an_alias_brings_stores_and_instructions(client, grounded, register, database):
    version = register("ft:tiny-reader:default:house:abc123")
    alias = Alias("support", "default", version.name, ("handbook",), "Answer in JSON.")
    Registry(database, "default").set_alias(alias)
    response = client.responses.create(model="support", input="How many days?")
    assert [item.type for item in response.output] == ["file_search_call", "message"]
    assert response.model == version.name
    assert grounded.requests[0][1]["instructions"] == "Answer in JSON."


def test_a_pydantic_model_bounds_and_reads_the_answer(client, plane):
    class Days(BaseModel):
        days: int

    plane.completion = _message('{"days": 27}')
    parsed = client.responses.parse(**ASKED, text_format=Days)
    assert parsed.output_parsed == Days(days=27)
    wanted = plane.requests[0][1]["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["name"] == "Days"
    assert wanted["json_schema"]["schema"]["required"] == ["days"]
    assert parsed.text.format.type == "json_schema"

    client.responses.create(**ASKED, text={"format": {"type": "json_object"}})
    assert plane.requests[1][1]["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_functions_are_items(http, plane, conforms, stream):
    plane.completion = _message(None, "tool_calls", tool_calls=[CALL, {**CALL, "id": "call_2"}])
    pieces = [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"city": '}},
        {"index": 0, "function": {"arguments": '"Rome"}'}},
        {"index": 1, "id": "call_2", "type": "function", "function": CALL["function"]},
    ]
    plane.chunks = [*(_chunk(None, tool_calls=[piece]) for piece in pieces), _chunk(None, "tool_calls")]
    body = {"tools": [WEATHER], "tool_choice": {"type": "function", "name": "weather"}}
    answer = _answer(http, conforms, stream=stream, **body)
    assert [
        (item["call_id"], item["name"], item["arguments"], item["status"]) for item in answer["output"]
    ] == [(call_id, "weather", '{"city": "Rome"}', "completed") for call_id in ("call_1", "call_2")]
    sent = plane.requests[0][1]
    assert sent["tools"] == [
        {"type": "function", "function": {k: v for k, v in WEATHER.items() if k != "type"}}
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


def test_calls_are_told_as_they_are_made(http, plane, conforms):
    first, second = ({"index": index, **CALL, "id": f"call_{index}"} for index in (0, 1))
    plane.chunks = [
        _chunk("Let me look."),
        _chunk(None, tool_calls=[first | {"function": {"name": "weather", "arguments": ""}}]),
        _chunk(None, tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]),
        _chunk(None, "tool_calls", tool_calls=[second]),
    ]
    events = _events(http, conforms, tools=[WEATHER])
    assert _types(events)[2:] == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "function_call_arguments.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["message", *["function_call"] * 2]


def test_the_result_of_a_function_goes_back_with_the_turns_before_it(client, plane):
    plane.completion = _message(None, "tool_calls", tool_calls=[CALL])
    first = client.responses.create(**ASKED, tools=[WEATHER])
    plane.completion = _message("Sunny.")
    result = {"type": "function_call_output", "call_id": "call_1", "output": "sun"}
    second = client.responses.create(model="tiny-reader", input=[result], previous_response_id=first.id)
    third = client.responses.create(model="tiny-reader", input="And now?", previous_response_id=second.id)
    assert third.previous_response_id == second.id
    assert plane.requests[-1][1]["messages"] == [
        {"role": "user", "content": "How many days?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
        {"role": "assistant", "content": "Sunny."},
        {"role": "user", "content": "And now?"},
    ]


def test_turns_may_be_sent_back_as_they_came_or_by_their_ids(client, grounded):
    first = client.responses.create(**ASKED, tools=[SEARCH])
    back = [item.to_dict() for item in first.output]
    client.responses.create(model="tiny-reader", input=[*back, {"role": "user", "content": "Sure?"}])
    referred = [{"type": "item_reference", "id": item.id} for item in first.output]
    client.responses.create(model="tiny-reader", input=[*referred, {"role": "user", "content": "Sure?"}])
    expected = [{"role": "assistant", "content": TEXT}, {"role": "user", "content": "Sure?"}]
    assert [sent["messages"] for _, sent in grounded.requests[1:]] == [expected, expected]


def test_items_of_every_form_are_listed_in_pages(client, http, plane, conforms):
    plane.completion = _message("Fine.")
    items = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"role": "assistant", "content": "b"},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "sun"}],
        },
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "c"}, {"type": "input_text", "text": "d"}],
        },
    ]
    first = client.responses.create(model="tiny-reader", input=items)
    second = client.responses.create(model="tiny-reader", input="e", previous_response_id=first.id)
    listed = list(client.responses.input_items.list(second.id, limit=3, order="asc"))
    assert [item.type for item in listed] == [
        "message", "message", "message", "function_call", "function_call_output", "message", "message", "message"
    ]  # fmt: skip
    assert listed[-2].content[0].text == "Fine."
    assert listed[-1].content[0].text == "e"

    page = http.get(f"{ROUTE}/{second.id}/input_items", params={"limit": 5}).json()
    conforms("ResponseItemList", page)
    assert [item["id"] for item in page["data"]] == [item.id for item in reversed(listed)][:5]
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
    assert page["has_more"] is True
    rest = http.get(f"{ROUTE}/{second.id}/input_items", params={"after": page["last_id"]}).json()
    conforms("ResponseItemList", rest)
    assert (len(rest["data"]), rest["has_more"]) == (3, False)
    assert (
        http.get(f"{ROUTE}/{second.id}/input_items", params={"after": "msg_x"}).json()["error"]["param"]
        == "after"
    )


def test_a_kept_response_can_be_read_and_forgotten(client, http, plane, conforms):
    plane.completion = _message("hello")
    made = client.responses.create(**ASKED, metadata={"team": "hr"}, user="u1", temperature=0)
    kept = http.get(f"{ROUTE}/{made.id}").json()
    conforms("Response", kept)
    assert kept["metadata"] == {"team": "hr"}
    assert (kept["user"], kept["temperature"]) == ("u1", 0)
    assert client.responses.retrieve(made.id).output_text == "hello"

    client.responses.delete(made.id)
    for call in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
        with pytest.raises(openai.NotFoundError, match=made.id):
            call(made.id)
    with pytest.raises(openai.BadRequestError) as gone:
        client.responses.create(**ASKED, previous_response_id=made.id)
    assert (gone.value.code, gone.value.param) == ("previous_response_not_found", "previous_response_id")


def test_what_is_not_to_be_kept_is_not(client, plane, conforms, http):
    plane.completion = _message("hello")
    made = client.responses.create(**ASKED, store=False)
    assert made.store is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    assert http.delete(f"{ROUTE}/{made.id}").status_code == 404


def test_another_project_sees_nothing(client, gateway_url, plane, database):
    plane.completion = _message("hello")
    made = client.responses.create(**ASKED)
    with database.session() as session:
        session.add(ProjectRow(id="other", created_at=1))
    key = KeyStore(database).create("other", "test")
    with openai.OpenAI(base_url=f"{gateway_url}/v1", api_key=key, max_retries=0) as other:
        for call in (other.responses.retrieve, other.responses.delete, other.responses.cancel):
            with pytest.raises(openai.NotFoundError):
                call(made.id)
        with pytest.raises(openai.BadRequestError, match="not found"):
            other.responses.create(**ASKED, previous_response_id=made.id)
        reference = {"type": "item_reference", "id": made.output[0].id}
        with pytest.raises(openai.NotFoundError, match="not found"):
            other.responses.create(model="tiny-reader", input=[reference])


def test_only_what_runs_in_the_background_can_be_cancelled(client, plane):
    plane.completion = _message("hello")
    made = client.responses.create(**ASKED)
    with pytest.raises(openai.BadRequestError, match="did not run in the background"):
        client.responses.cancel(made.id)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_ran_out_of_tokens_is_incomplete(http, plane, conforms, stream):
    plane.completion = _message("27", "length")
    plane.chunks = [_chunk("27"), _chunk("", "length"), {"choices": [], "usage": USAGE}]
    answer = _answer(http, conforms, stream=stream)
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert answer["output"][0]["status"] == "incomplete"
    assert http.get(f"{ROUTE}/{answer['id']}").json()["status"] == "incomplete"


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_come_where_they_are_asked_for(http, plane, conforms, stream):
    told = {
        "content": [
            {"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "e", "logprob": -1}]}
        ]
    }
    plane.completion = _message("é")
    plane.completion["choices"][0]["logprobs"] = told
    plane.chunks = [_chunk("é"), _chunk("", "stop")]
    plane.chunks[0]["choices"][0]["logprobs"] = told
    include = ["message.output_text.logprobs"]
    answer = _answer(http, conforms, stream=stream, include=include, top_logprobs=1)
    assert answer["output"][0]["content"][0]["logprobs"] == [
        {
            "token": "é", "logprob": -0.5, "bytes": [195, 169],
            "top_logprobs": [{"token": "e", "logprob": -1, "bytes": [101]}],
        }
    ]  # fmt: skip
    assert (plane.requests[0][1]["logprobs"], plane.requests[0][1]["top_logprobs"]) == (True, 1)


def test_an_empty_answer_is_an_empty_message(http, plane, conforms):
    plane.chunks = [_chunk("", role="assistant"), _chunk("", "stop")]
    answer = _events(http, conforms)[-1]["response"]
    assert answer["output"][0]["content"][0]["text"] == ""


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("broken", "unavailable"),
        ("told", "unavailable"),
        ("cut", "unavailable"),
        ("refused", "invalid_value"),
    ],
)
def test_a_stream_that_fails_ends_with_the_error_and_the_failed_response(http, plane, conforms, fault, code):
    if fault == "broken":
        plane.broken_after = 2
    elif fault == "cut":
        plane.chunks = [_chunk("0 "), _chunk("1 ")]
    else:
        status = {"told": 500, "refused": 400}[fault]
        text = "invalid_value" if fault == "refused" else "Internal exception: secret"
        plane.in_stream = {"message": text, "type": "X", "code": status, "param": None}
        code = {"told": code, "refused": None}[fault]
    *_, error, failed = _events(http, conforms)
    assert (error["type"], error["code"]) == ("error", code)
    assert "secret" not in json.dumps(failed)
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == ("invalid_prompt" if fault == "refused" else "server_error")
    assert failed["response"]["output"][0]["status"] == "incomplete"
    assert failed["response"]["output"][0]["content"][0]["text"].startswith("0 1 ")
    assert http.get(f"{ROUTE}/{failed['response']['id']}").status_code == 404


@pytest.mark.parametrize("how", ["whole", "at once", "first event"])
def test_a_refusal_of_the_engine_keeps_its_status_and_names_our_field(http, plane, how):
    message = "This model's maximum context length is 512 tokens. However, you requested 900."
    error = {"message": message, "type": "BadRequestError", "param": "max_completion_tokens", "code": 400}
    if how == "first event":
        plane.pieces, plane.in_stream = 0, error
    else:
        plane.refusal = (400, {"error": error})
    response = http.post(ROUTE, json=ASKED | {"stream": how != "whole"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert response.json()["error"]["param"] == "max_output_tokens"


def test_a_client_that_leaves_a_stream_stops_the_generation(http, plane):
    plane.pieces, plane.pause_seconds = 1000, 0.05
    with http.stream("POST", ROUTE, json=ASKED | {"stream": True}) as response:
        lines = response.iter_lines()
        while "delta" not in next(lines):
            pass
    assert plane.cancelled.wait(timeout=5)


def test_a_client_that_gives_up_waiting_stops_the_generation(gateway_url, key, plane):
    plane.pause_seconds = 3
    headers = {"Authorization": f"Bearer {key}"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{gateway_url}{ROUTE}", json=ASKED, headers=headers, timeout=0.3)
    assert plane.cancelled.wait(timeout=6)


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": ""}, "input", "invalid_value"),
        ({"input": []}, "input", "invalid_value"),
        ({"model": None}, "model", "missing_required_parameter"),
        ({"temprature": 1}, "temprature", "unknown_parameter"),
        ({"background": True}, "background", "unsupported_parameter"),
        ({"conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({"prompt": {"id": "p"}}, "prompt", "unsupported_parameter"),
        ({"truncation": "auto"}, "truncation", "unsupported_parameter"),
        ({"include": ["everything"]}, "include.0", "invalid_value"),
        ({"text": {"verbosity": "low"}}, "text.verbosity", "invalid_value"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}},
         "text.format.schema", "missing_required_parameter"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
        ({"tools": [{"type": "file_search"}]}, "tools.vector_store_ids", "invalid_value"),
        ({"tools": [SEARCH | {"filters": {"type": "like", "key": "a", "value": 1}}]}, "tools.filters.type",
         "invalid_value"),
        ({"tools": [SEARCH, SEARCH | {"filters": {"type": "eq", "key": "a", "value": 1}}]}, "tools", "invalid_value"),
        ({"tools": [SEARCH | {"ranking_options": {"score_threshold": 1.5}}]},
         "tools.ranking_options.score_threshold", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice.type", "invalid_value"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
         "input[0].content[0].type", "invalid_value"),
        ({"input": [{"role": "user", "content": "a"}, {"type": "function_call_output", "output": "x"}]},
         "input[1].call_id", "missing_required_parameter"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type", "invalid_value"),
        ({"input": [{"type": "item_reference", "id": "msg_x"}]}, "input[0].id", "item_not_found"),
        ({"previous_response_id": "resp_x"}, "previous_response_id", "previous_response_not_found"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_not_served_is_said(http, plane, store, conforms, changes, param, code):
    response = http.post(ROUTE, json=ASKED | changes)
    assert response.status_code == (404 if code == "item_not_found" else 400), response.text
    conforms("ErrorResponse", response.json())
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert plane.requests == []


def test_unknown_models_and_stores_are_404(http, plane, store):
    assert http.post(ROUTE, json=ASKED | {"model": "nobody"}).json()["error"]["code"] == "model_not_found"
    unknown = {"tools": [SEARCH | {"vector_store_ids": ["vs_x"]}]}
    response = http.post(ROUTE, json=ASKED | unknown)
    assert (response.status_code, response.json()["error"]["param"]) == (404, "tools")


@pytest.mark.parametrize(
    "harmless",
    [
        {"background": False, "truncation": "disabled", "conversation": None, "tools": [], "text": None},
        {"include": ["reasoning.encrypted_content"], "service_tier": "auto", "stream_options": None},
        {
            "prompt_cache_key": "k",
            "safety_identifier": "s",
            "reasoning": {"summary": "auto"},
            "max_tool_calls": 3,
        },
    ],
)
def test_what_asks_for_nothing_is_taken(http, plane, conforms, harmless):
    plane.completion = _message("hello")
    response = http.post(ROUTE, json=ASKED | harmless)
    assert response.status_code == 200, response.text
    conforms("Response", response.json())


@pytest.mark.parametrize(
    ("choice", "path", "sent"),
    [
        ("auto", "/answer", "auto"),
        ("required", "/answer", "required"),
        ("none", "/engine", "none"),
        ({"type": "file_search"}, "/answer", "none"),
    ],
)
def test_the_choice_of_tools_is_kept(http, grounded, choice, path, sent):
    http.post(ROUTE, json=ASKED | {"tools": [SEARCH, WEATHER], "tool_choice": choice})
    (route, body) = grounded.requests[0]
    assert route.startswith(path)
    assert body["tool_choice"] == sent
    assert [tool["type"] for tool in body["tools"]] == ["function"]
