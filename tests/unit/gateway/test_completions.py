"""Text completions: passed to the engine, completed to the specification."""

from __future__ import annotations

import json

import openai
import pytest

from tunesmith.records import Alias
from tunesmith.stores.registry import Registry

ROUTE = "/v1/completions"
ASKED = {"model": "tiny-reader", "prompt": "Once upon"}


def test_what_the_engine_takes_reaches_it_and_nulls_do_not(client, plane):
    client.completions.create(
        **ASKED,
        n=2,
        stop=["."],
        seed=7,
        logprobs=3,
        echo=True,
        best_of=1,
        suffix=None,
        extra_body={"top_k": 5},
    )
    path, sent = plane.requests[0]
    assert path == "/engine/v1/completions"
    assert sent == {**ASKED, "n": 2, "stop": ["."], "seed": 7, "logprobs": 3, "echo": True, "top_k": 5}


def test_an_answer_and_its_stream_keep_to_the_specification(http, client, conforms):
    answer = http.post(ROUTE, json=ASKED).json()
    conforms("CreateCompletionResponse", answer)
    assert answer["choices"] == [{"index": 0, "text": "hello", "logprobs": None, "finish_reason": "length"}]
    assert answer["usage"]["total_tokens"] == 7

    said = list(client.completions.create(**ASKED, stream=True))
    assert "".join(chunk.choices[0].text for chunk in said) == "0 1 2 "
    assert said[-1].choices[0].finish_reason == "stop"
    *_, last = client.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
    assert (last.choices, last.usage.total_tokens) == ([], 7)


@pytest.mark.parametrize("prompt", ["a", ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_prompts_are_texts_or_tokens(http, plane, prompt):
    assert http.post(ROUTE, json={"model": "tiny-reader", "prompt": prompt}).status_code == 200
    assert plane.requests[0][1]["prompt"] == prompt


def test_versions_and_plain_aliases_answer_and_assistants_refer_to_chat(
    client, plane, register, database, store
):
    version = register("ft:tiny-reader:default:house:abc123")
    registry = Registry(database, "default")
    registry.set_alias(Alias("plain", "default", version.name))
    registry.set_alias(Alias("support", "default", version.name, ("handbook",)))
    registry.set_alias(Alias("curt", "default", version.name, (), "Be brief."))
    for name in (version.name, "plain"):
        client.completions.create(model=name, prompt="x")
    assert [sent["model"] for _, sent in plane.requests] == [version.name] * 2
    for name, bound in (("support", "vector stores"), ("curt", "instructions")):
        with pytest.raises(
            openai.BadRequestError, match=f"binds {bound}.*chat/completions.*{version.name}"
        ) as refused:
            client.completions.create(model=name, prompt="x")
        assert refused.value.param == "model"


@pytest.mark.parametrize(
    ("changes", "status", "param", "code"),
    [
        ({"model": "nobody"}, 404, "model", "model_not_found"),
        ({"prompt": ""}, 400, "prompt", "invalid_value"),
        ({"prompt": None}, 400, "prompt", "missing_required_parameter"),
        ({"best_of": 3}, 400, "best_of", "unsupported_parameter"),
        ({"kv_transfer_params": {"remote_host": "x"}}, 400, "kv_transfer_params", "unknown_parameter"),
    ],
)
def test_what_is_not_served_is_refused(http, plane, conforms, changes, status, param, code):
    response = http.post(ROUTE, json=ASKED | changes)
    assert response.status_code == status
    conforms("ErrorResponse", response.json())
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert plane.requests == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_of_the_engine_loses_its_number(http, plane, conforms, stream):
    plane.refusal = (400, {"error": {"message": "temperature: too hot", "param": "temperature", "code": 400}})
    response = http.post(ROUTE, json=ASKED | {"stream": stream})
    assert response.status_code == 400
    conforms("ErrorResponse", response.json())
    assert response.json()["error"]["code"] is None


def test_a_stream_that_begins_with_an_error_has_its_status(http, plane, conforms):
    plane.in_stream = {"message": "seed: too large", "type": "BadRequestError", "param": "seed", "code": 400}
    response = http.post(ROUTE, json=ASKED | {"stream": True})
    assert response.status_code == 400
    conforms("ErrorResponse", response.json())
    assert response.json()["error"]["param"] == "seed"


def test_tokens_are_counted(http, gateway_url):
    http.post(ROUTE, json=ASKED)
    text = http.get("/metrics").text
    assert 'tunesmith_tokens_total{direction="completion",model="tiny-reader",project="default"} 2.0' in text
    assert json.dumps(ASKED) not in text
