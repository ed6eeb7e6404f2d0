from __future__ import annotations

import json
import time
from typing import Any

import httpx
import openai
import pytest

from tunesmith.records import Alias
from tunesmith.stores.registry import Registry

QUESTION = [{"role": "user", "content": "How many days?"}]
CHAT = "/v1/chat/completions"


def test_passes_unknown_fields_on_and_completes_the_answer(http, plane):
    answer = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION, "top_k": 7}).json()

    path, sent = plane.requests[0]
    assert path == "/engine/v1/chat/completions"
    assert sent == {"model": "tiny-reader", "messages": QUESTION, "top_k": 7}
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "hello", "refusal": None}
    assert answer["choices"][0]["logprobs"] is None


def test_the_official_client_reads_json_and_streams(gateway_url, key, plane):
    client = openai.OpenAI(base_url=f"{gateway_url}/v1", api_key=key)
    completion = client.chat.completions.create(model="tiny-reader", messages=QUESTION)
    assert completion.choices[0].message.content == "hello"
    assert completion.choices[0].message.refusal is None

    stream = client.chat.completions.create(model="tiny-reader", messages=QUESTION, stream=True)
    assert "".join(chunk.choices[0].delta.content for chunk in stream) == "0 1 2 "


@pytest.mark.parametrize(
    "extension",
    [
        {"vector_stores": ["handbook"], "retrieval": {"top_k": 3}},
        {"vector_stores": ["vs_1"], "retrieval": {"top_k": 3}},
        {"tools": [{"type": "file_search", "vector_store_ids": ["handbook"], "max_num_results": 3}]},
    ],
)
def test_a_named_store_sends_the_question_through_retrieval(http, plane, store, extension):
    messages = [{"role": "system", "content": "Be brief."}, *QUESTION]
    answer = http.post(CHAT, json={"model": "tiny-reader", "messages": messages, **extension}).json()

    path, sent = plane.requests[0]
    assert path == "/answer/v1/chat/completions"
    assert sent["vector_stores"] == [
        {
            "id": "vs_1",
            "name": "handbook",
            "collection": "c1",
            "embedder": "mini",
            "project_id": "default",
            "hidden": [],
        }
    ]
    assert sent["retrieval"] == {"top_k": 3}
    assert sent["instructions"] == "Be brief."
    assert "tools" not in sent
    assert answer["tunesmith"] == {"abstained": False}


def test_what_programs_send_without_meaning_it_is_taken(http, plane):
    harmless = {
        "store": True,
        "metadata": {"a": "b"},
        "user": "u",
        "modalities": ["text"],
        "verbosity": "medium",
    }
    body = {"model": "tiny-reader", "messages": QUESTION, "n": None, "audio": None, **harmless}
    assert http.post(CHAT, json=body).status_code == 200
    assert not {"n", "audio", "modalities", "verbosity"} & plane.requests[0][1].keys()


def test_fields_of_the_engine_reach_it_as_they_are(client, plane):
    schema = {"name": "house", "schema": {"type": "object"}, "strict": True}
    sent: dict[str, Any] = {
        "response_format": {"type": "json_schema", "json_schema": schema},
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {}}}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "logprobs": True,
        "top_logprobs": 2,
        "n": 2,
        "stop": ["."],
        "seed": 7,
        "max_completion_tokens": 9,
        "logit_bias": {"5": 1},
        "frequency_penalty": 0.5,
    }
    client.chat.completions.create(model="tiny-reader", messages=QUESTION, **sent)
    assert plane.requests[0][1] == {"model": "tiny-reader", "messages": QUESTION, **sent}


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ({"audio": {"voice": "alloy", "format": "mp3"}}, "unsupported_parameter"),
        ({"modalities": ["text", "audio"]}, "unsupported_parameter"),
        ({"web_search_options": {}}, "unsupported_parameter"),
        ({"functions": [{"name": "f"}]}, "unsupported_parameter"),
        ({"verbosity": "low"}, "unsupported_parameter"),
        ({"request_id": "mine"}, "unknown_parameter"),
        ({"kv_transfer_params": {"remote_host": "x"}}, "unknown_parameter"),
    ],
)
def test_what_the_engine_would_pass_over_is_refused(http, plane, field, code):
    response = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION, **field})
    assert response.status_code == 400
    assert (response.json()["error"]["param"], response.json()["error"]["code"]) == (next(iter(field)), code)
    assert plane.requests == []


def test_an_answer_of_the_engine_keeps_to_the_specification(http, plane, conforms):
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    message = {"role": "assistant", "content": "a", "function_call": None, "audio": None, "annotations": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": {"content": [token]}}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "prompt_tokens_details": None}
    nothing = {"system_fingerprint": None, "service_tier": None, "prompt_logprobs": None}
    plane.completion = {"choices": [choice | {"stop_reason": None}], "usage": usage, **nothing}
    answer = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION}).json()
    conforms("CreateChatCompletionResponse", answer)
    assert answer["choices"][0]["logprobs"] == {"content": [token], "refusal": None}


def test_the_sources_can_be_had_before_the_answer(http, plane, store):
    body = {"model": "tiny-reader", "messages": QUESTION, "vector_stores": ["handbook"]}
    http.post(CHAT, json=body | {"retrieval": {"announce": True, "top_k": 3}})
    assert plane.requests[0][1]["retrieval"] == {"top_k": 3, "announce": True}


@pytest.mark.parametrize(
    "options", [{"filters": None}, {"ranking_options": {"ranker": "auto", "score_threshold": 0}}]
)
def test_the_defaults_of_a_file_search_may_be_written_out(http, plane, store, options):
    tools = [{"type": "file_search", "vector_store_ids": ["handbook"], **options}]
    response = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION, "tools": tools})
    assert response.status_code == 200, response.text


def test_an_unknown_store_is_named_with_those_that_exist(http, plane, store):
    response = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION, "vector_stores": ["hand"]})
    assert response.status_code == 404
    error = response.json()["error"]
    assert error["code"] == "vector_store_not_found"
    assert '"hand"' in error["message"]
    assert "handbook" in error["message"]
    assert plane.requests == []


def test_an_alias_brings_model_stores_and_instructions(http, plane, store, register, database):
    version = register("ft:tiny-reader:default:house:abc123")
    alias = Alias("support", "default", version.name, ("handbook",), "Answer in JSON.")
    Registry(database, "default").set_alias(alias)

    http.post(CHAT, json={"model": "support", "messages": QUESTION})
    http.post(CHAT, json={"model": "support", "messages": QUESTION, "vector_stores": []})

    (retrieval_path, retrieval), (engine_path, plain) = plane.requests
    assert retrieval_path.startswith("/answer/")
    assert retrieval["model"] == version.name
    assert retrieval["instructions"] == "Answer in JSON."
    assert engine_path.startswith("/engine/")
    assert plain["messages"] == [{"role": "system", "content": "Answer in JSON."}, *QUESTION]


def test_a_version_answers_from_the_moment_it_is_registered(http, plane, register):
    name = "ft:tiny-reader:default:house:abc123"
    asked = {"model": name, "messages": QUESTION}
    refused = http.post(CHAT, json=asked)
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_found"
    assert refused.json()["error"]["param"] == "model"

    register(name)
    assert http.post(CHAT, json=asked).status_code == 200


@pytest.mark.parametrize("project", ["other"])
def test_a_version_of_another_project_does_not_exist(http, register, database, project):
    from tunesmith.stores.database import ProjectRow

    with database.session() as session:
        session.add(ProjectRow(id=project, created_at=1))
    name = "ft:tiny-reader:other:house:abc123"
    register(name, project=project)
    assert http.post(CHAT, json={"model": name, "messages": QUESTION}).status_code == 404


def test_a_version_of_a_base_that_is_not_served_says_which(http, register):
    register("ft:big:default:house:abc123", base="big")
    response = http.post(CHAT, json={"model": "ft:big:default:house:abc123", "messages": QUESTION})
    assert response.status_code == 404
    assert "--model big" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model": ', None),
        (b"[1]", None),
        (b'{"messages": [{"role": "user", "content": "x"}]}', "model"),
        (b'{"model": "tiny-reader"}', "messages"),
        (b'{"model": "tiny-reader", "messages": []}', "messages"),
        (b'{"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}], "retrieval": {"top_k": 0}}',
         "retrieval.top_k"),
        (b'{"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}], '
         b'"tools": [{"type": "file_search"}]}', "tools.vector_store_ids"),
        (b'{"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}], '
         b'"tools": [{"type": "file_search", "vector_store_ids": ["a"], "filters": {"type": "eq"}}]}',
         "tools.filters.key"),
        (b'{"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}], "retrieval": {"topk": 8}}',
         "retrieval.topk"),
        (b'{"model": "tiny-reader", "messages": [{"role": "user", "content": "cut \\ud83d"}]}', None),
        (b'{"model": "tiny-reader", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}', None),
    ],
)  # fmt: skip
def test_bad_bodies_are_400_in_the_openai_shape(http, plane, body, param):
    response = http.post(CHAT, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert plane.requests == []


def test_a_body_without_end_is_refused(http):
    response = http.post(CHAT, content=b" " * (17 * 2**20))
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_of_the_engine_gets_an_openai_code(http, plane, stream):
    message = "This model's maximum context length is 512 tokens. However, you requested 900."
    plane.refusal = (
        400,
        {"error": {"message": message, "type": "BadRequestError", "param": None, "code": 400}},
    )
    response = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION, "stream": stream})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error == {
        "message": message, "type": "invalid_request_error", "param": None, "code": "context_length_exceeded"
    }  # fmt: skip


@pytest.mark.parametrize(
    "refusal",
    [(500, {"error": {"message": "Internal exception: secret", "code": 500}}), (404, "Path not found")],
)
def test_a_failing_engine_is_503_without_its_internals(http, plane, refusal):
    plane.refusal = refusal
    response = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION})
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert "secret" not in response.text
    assert response.json()["error"]["code"] == "unavailable"


def test_the_usage_chunk_is_passed_on_only_where_asked_for(http, plane):
    def events(**more):
        body = {"model": "tiny-reader", "messages": QUESTION, "stream": True, **more}
        return http.post(CHAT, json=body).text.strip().split("\n\n")

    silent, asked = events(), events(stream_options={"include_usage": True})
    assert plane.requests[0][1]["stream_options"] == {"include_usage": True}
    assert not any('"usage"' in event for event in silent)
    assert json.loads(asked[-2].removeprefix("data: "))["usage"]["completion_tokens"] == 3
    assert json.loads(silent[-2].removeprefix("data: "))["tunesmith"] == {"abstained": True}
    assert silent[-1] == asked[-1] == "data: [DONE]"


def test_log_probabilities_of_a_stream_keep_to_the_specification(http, plane, conforms):
    token = {"token": "27", "logprob": -0.1, "bytes": [50, 55], "top_logprobs": []}
    choice = {
        "index": 0,
        "delta": {"content": "27"},
        "logprobs": {"content": [token]},
        "finish_reason": None,
    }
    plane.chunks = [{"choices": [choice]}, {"choices": [{**choice, "logprobs": None}]}]
    answer = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION, "stream": True})
    first, second, done = answer.text.removesuffix("\n\n").split("\n\n")
    events = [json.loads(event.removeprefix("data: ")) for event in (first, second)]
    for event in events:
        conforms("CreateChatCompletionStreamResponse", event)
    assert events[0]["choices"][0]["logprobs"] == {"refusal": None, "content": [token]}
    assert (events[1]["choices"][0]["logprobs"], done) == (None, "data: [DONE]")


def test_events_arrive_as_they_are_made(http, plane):
    plane.pieces, plane.pause_seconds = 4, 0.2
    body = {"model": "tiny-reader", "messages": QUESTION, "stream": True}
    with http.stream("POST", CHAT, json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        arrived = [
            time.monotonic() for line in response.iter_lines() if "content" in line and '"stop"' not in line
        ]
    # Told at the end, all would come at once; on a busy machine single gaps say little.
    assert len(arrived) == 4
    assert arrived[-1] - arrived[0] > 0.3


def test_a_client_that_leaves_a_stream_stops_the_generation(http, plane):
    plane.pieces, plane.pause_seconds = 1000, 0.05
    body = {"model": "tiny-reader", "messages": QUESTION, "stream": True}
    with http.stream("POST", CHAT, json=body) as response:
        next(response.iter_lines())
    assert plane.cancelled.wait(timeout=5)


def test_a_client_that_gives_up_waiting_stops_the_generation(gateway_url, key, plane):
    plane.pause_seconds = 3
    headers = {"Authorization": f"Bearer {key}"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{gateway_url}{CHAT}",
            json={"model": "tiny-reader", "messages": QUESTION},
            headers=headers,
            timeout=0.3,
        )
    assert plane.cancelled.wait(timeout=6)


def test_an_engine_that_dies_in_a_stream_ends_it_with_an_error(gateway_url, key, plane):
    plane.broken_after = 2
    client = openai.OpenAI(base_url=f"{gateway_url}/v1", api_key=key, max_retries=0)
    stream = client.chat.completions.create(model="tiny-reader", messages=QUESTION, stream=True)
    said = []
    with pytest.raises(openai.APIError, match="went away"):
        said.extend(chunk.choices[0].delta.content for chunk in stream)
    assert said == ["0 ", "1 "]


def test_an_error_inside_a_stream_loses_its_internals(http, plane):
    plane.in_stream = {"message": "Internal exception: secret", "type": "RuntimeError", "code": 500}
    body = {"model": "tiny-reader", "messages": QUESTION, "stream": True}
    text = http.post(CHAT, json=body).text
    assert "secret" not in text
    assert '"code":"unavailable"' in text


@pytest.mark.parametrize(
    ("fault", "status", "code", "tries"),
    [
        ({"message": "seed: too large", "type": "BadRequestError", "param": "seed", "code": 400}, 400, None, 1),
        ({"message": "no such tool", "type": "UnprocessableEntityError", "param": None, "code": 422}, 422, None, 1),
        ({"message": "no such model", "type": "NotFoundError", "code": 404}, 404, "model_not_found", 1),
        ({"message": "bad", "type": "invalid_request_error", "code": None}, 400, None, 1),
        ({"message": "full", "type": "server_error", "code": "overloaded"}, 503, "overloaded", 1),
        ({"message": "Internal exception: secret", "type": "X", "code": 500}, 503, "unavailable", 3),
    ],
)  # fmt: skip
def test_a_stream_that_begins_with_an_error_is_answered_with_its_status(
    http, plane, fault, status, code, tries
):
    plane.pieces, plane.in_stream = 0, fault
    response = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION, "stream": True})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, fault.get("param"))
    assert "secret" not in response.text
    assert len(plane.requests) == tries, (
        "what failed before its first event is sent again, what was refused is not"
    )
    assert "tunesmith_requests_in_flight 0.0" in http.get("/metrics").text


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_an_error_that_comes_in_pieces_is_read_whole(http, plane, cut):
    plane.pieces, plane.cut_at, plane.pause_seconds = 0, cut, 0.05
    plane.in_stream = {"message": "seed: too large", "type": "BadRequestError", "param": "seed", "code": 400}
    response = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION, "stream": True})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "seed")


def test_calls_in_a_stream_keep_to_the_specification(http, plane, conforms):
    begun = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "leave", "arguments": "{"}}
    more = {"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": "}"}}
    plane.chunks = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
        for call in (begun, more)
    ]
    answer = http.post(CHAT, json={"model": "tiny-reader", "messages": QUESTION, "stream": True})
    first, second, _ = answer.text.removesuffix("\n\n").split("\n\n")
    events = [json.loads(event.removeprefix("data: ")) for event in (first, second)]
    for event in events:
        conforms("CreateChatCompletionStreamResponse", event)
    told = [event["choices"][0]["delta"]["tool_calls"] for event in events]
    assert told == [[begun], [{"index": 0, "function": {"arguments": "}"}}]]
