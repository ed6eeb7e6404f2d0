import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openai import AsyncOpenAI

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.errors import AuthenticationError, ModelNotFoundError, UnavailableError
from tunesmith.evaluate import ask as asking
from tunesmith.evaluate.arms import Arm, build_arms
from tunesmith.evaluate.ask import ArmAnswer, ask, ask_all
from tunesmith.evaluate.samples import Sample
from tunesmith.rag.forms import HOUSE_SCHEMA

SAMPLE = Sample("a", "How many days?", "27 days")
CITED = {
    "sources": [{"number": 1, "document": "leave.md", "text": "27 days of leave."}],
    "citations": [{"number": 1, "document": "leave.md", "text": "27 days of leave.", "status": "verified"}],
}


class Api:
    """An HTTP server that says what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: list[int] = []
        self.asked: list[dict[str, Any]] = []
        self.in_flight = self.most_in_flight = 0
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with api._lock:
                    api.in_flight += 1
                    api.most_in_flight = max(api.most_in_flight, api.in_flight)
                status, body = api.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                said = json.dumps(body).encode()
                with api._lock:
                    api.in_flight -= 1
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reply(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(request)
        status = self.replies.pop(0) if self.replies else 200
        if status != 200:
            return status, {
                "error": {"message": f"told to say {status}", "type": "x", "param": None, "code": None}
            }
        message = {"role": "assistant", "content": f"{request['model']}: 27 days [1]"}
        return 200, {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57},
            **({"tunesmith": CITED} if request.get("vector_stores") else {}),
        }


@pytest.fixture
def api() -> Iterator[Api]:
    served = Api()
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT_SECONDS", 0.001)


async def run_ask(api: Api, arm: Arm, config: EvaluateConfig) -> ArmAnswer:
    async with client(api) as connected:
        return await ask(SAMPLE, arm, config, client=connected)


def client(api: Api) -> AsyncOpenAI:
    address = f"http://127.0.0.1:{api.server.server_address[1]}/v1"
    return AsyncOpenAI(base_url=address, api_key="sk-x", max_retries=0)


async def test_an_answer_is_read_with_its_sources(api: Api, config: EvaluateConfig) -> None:
    answer = await run_ask(api, Arm("rag", "tiny", ("documents",)), config)
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("tiny: 27 days [1]", 50, 7)
    assert (answer.sources[0].document, answer.citations[0].status) == ("leave.md", "verified")
    assert answer.latency_ms > 0


async def test_all_arms_get_the_same_turns(api: Api, config: EvaluateConfig) -> None:
    arms = build_arms(config, tuned="ft:x")
    for arm in arms:
        await run_ask(api, arm, config)
    assert len({json.dumps(request["messages"]) for request in api.asked}) == 1
    assert [request["vector_stores"] for request in api.asked] == [
        [],
        ["documents"],
        ["documents"],
        [],
        ["documents"],
    ], "an arm without retrieval says so, or an alias would answer from the stores that it binds"
    assert [request["model"] for request in api.asked] == ["tiny-reader"] * 3 + ["ft:x"] * 2
    formats = [request.get("response_format") for request in api.asked]
    assert [bool(form) for form in formats] == [False, False, True, False, False]
    assert formats[2]["json_schema"]["schema"] == HOUSE_SCHEMA


async def test_it_waits_while_the_platform_says_503(api: Api, config: EvaluateConfig) -> None:
    api.replies = [503, 429, 503]
    assert (await run_ask(api, Arm("base", "tiny"), config)).error is None
    assert len(api.asked) == 4


async def test_it_gives_up_in_the_end(api: Api, config: EvaluateConfig) -> None:
    api.replies = [503] * 20
    with pytest.raises(UnavailableError, match="told to say 503"):
        await run_ask(api, Arm("base", "tiny"), config)
    assert len(api.asked) == asking.MAX_TRIES


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (404, ModelNotFoundError)])
async def test_a_wrong_key_or_model_ends_it_at_once(
    api: Api, config: EvaluateConfig, status: int, error: type[Exception]
) -> None:
    api.replies = [status] * 20
    with pytest.raises(error):
        await run_ask(api, Arm("base", "tiny"), config)
    assert len(api.asked) == 1


@pytest.mark.parametrize("status", [400, 500])
async def test_one_failed_question_does_not_end_it(api: Api, config: EvaluateConfig, status: int) -> None:
    api.replies = [status]
    answer = await run_ask(api, Arm("base", "tiny"), config)
    assert answer.text == ""
    assert f"told to say {status}" in (answer.error or "")


async def test_every_pair_is_asked_once_and_few_at_a_time(api: Api, config: EvaluateConfig) -> None:
    arms = build_arms(config, tuned="ft:x")
    samples = [Sample(f"q{n}", f"Question {n}?", "27 days") for n in range(12)]
    told: list[int] = []
    config = config.model_copy(update={"concurrency": 3})
    async with client(api) as connected:
        answers = await ask_all(samples, arms, config, client=connected, on_answer=lambda: told.append(1))
    assert [(answer.sample, answer.arm) for answer in answers] == [
        (s.id, arm.name) for s in samples for arm in arms
    ]
    assert len(told) == 60
    assert len(api.asked) == 65, "each pair once, and each arm once before the clock runs"
    assert api.most_in_flight <= len(arms)


def test_a_platform_that_is_away_is_unavailable(config: EvaluateConfig) -> None:
    async def run() -> ArmAnswer:
        async with AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="sk-x", max_retries=0) as away:
            return await ask(SAMPLE, Arm("base", "tiny"), config, client=away)

    with pytest.raises(UnavailableError):
        asyncio.run(run())
