from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message

from tunesmith.serve.openai_errors import OpenAIErrors, engine_error_body, validation_error_body


def _vllm(status: int, message: str, param: str | None = None) -> dict:
    return {"error": {"message": message, "type": "SomeError", "param": param, "code": status}}


async def _answer(request: Request) -> Response:
    status = int(request.path_params["status"])
    if status == 200:
        return StreamingResponse(
            iter(
                ["data: {}\n\n", "data: " + '{"error": {"message": "m", "type": "t", "code": 400}}' + "\n\n"]
            )
        )
    if status in (250, 251):  # streams that begin with an error
        fault = json.dumps(_vllm(422 if status == 250 else 500, "the message", "seed"))
        return StreamingResponse(
            iter([f"data: {fault}\n\n", "data: [DONE]\n\n"]), media_type="text/event-stream"
        )
    if status == 502:
        return PlainTextResponse("Traceback (most recent call last): secret", status_code=502)
    return JSONResponse(_vllm(status, "the message", "model"), status_code=status)


@pytest.fixture
async def client():
    app = OpenAIErrors(Starlette(routes=[Route("/{status}", _answer)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        yield client


async def test_number_becomes_a_code_or_null(client: httpx.AsyncClient) -> None:
    missing = (await client.get("/404")).json()["error"]
    assert missing == {
        "message": "the message",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    assert (await client.get("/400")).json()["error"]["code"] is None


@pytest.mark.parametrize("status", [500, 502])
async def test_the_inside_stays_inside(client: httpx.AsyncClient, status: int) -> None:
    answer = await client.get(f"/{status}")
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "server_error"
    assert "the message" not in answer.text
    assert "secret" not in answer.text


async def test_error_event_is_rewritten_and_others_are_not(client: httpx.AsyncClient) -> None:
    first, second, _ = (await client.get("/200")).text.split("\n\n")
    assert first == "data: {}"
    assert '"code": null' in second


async def test_a_stream_that_begins_with_an_error_has_its_status(client: httpx.AsyncClient) -> None:
    refused = await client.get("/250")
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/json")
    assert refused.json()["error"] == {
        "message": "the message", "type": "invalid_request_error", "param": "seed", "code": None
    }  # fmt: skip
    failed = await client.get("/251")
    assert failed.status_code == 500
    assert "the message" not in failed.text


async def test_an_event_is_passed_on_before_the_next_one_is_made() -> None:
    made: list[str] = []

    async def events() -> AsyncIterator[str]:
        for event in ("data: 1\n\n", "data: 2\n\n"):
            made.append(event)
            yield event

    sent: list[tuple[str, int]] = []

    async def send(message: Message) -> None:
        sent.append((message["type"], len(made)))

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    app = OpenAIErrors(StreamingResponse(events(), media_type="text/event-stream"))
    await app({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
    assert sent[:3] == [("http.response.start", 1), ("http.response.body", 1), ("http.response.body", 2)]


def test_too_long_prompt_has_its_code() -> None:
    body = engine_error_body({"message": "This model's maximum context length is 10 tokens."}, status=400)
    assert body["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    "message",
    [
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "tool_choice auto requires --tool-call-parser (parameter=tool_choice)",
    ],
)
def test_tools_without_a_parser_are_told_of_our_own_knob(message: str) -> None:
    error = engine_error_body({"message": message, "param": None, "code": 400}, status=400)["error"]
    assert "engine.tool_call_parser" in error["message"]
    assert "--" not in error["message"]
    assert (error["param"], error["code"]) == ("tool_choice", "unsupported_parameter")


def test_validation_error_names_the_field_alone() -> None:
    class Body(BaseModel):
        stop: str | list[str]

    with pytest.raises(ValidationError) as refused:
        Body.model_validate({"stop": 3})
    error = validation_error_body(refused.value.errors())["error"]
    assert error["param"] == "stop"
    assert error["code"] is None


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("The model `x` does not exist. Valid aliases: a, b.", "The model `x` does not exist."),
        ("temperature is wrong (parameter=temperature, value=-4.0)", "temperature is wrong"),
        ("Use f(x) instead (or not)", "Use f(x) instead (or not)"),
    ],
)
def test_what_vllm_adds_for_itself_is_left_out(message: str, told: str) -> None:
    assert engine_error_body({"message": message}, status=400)["error"]["message"] == told
