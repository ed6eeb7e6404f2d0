"""What only the hosted API answers is told apart from what nobody does."""

from __future__ import annotations

import httpx
import pytest

from tunesmith.gateway.unserved_routes import way_out_of


@pytest.mark.parametrize(
    ("method", "path", "status", "way_out"),
    [
        ("POST", "/v1/assistants", 404, "/v1/responses"),
        ("GET", "/v1/threads/thread_1/runs/run_1/steps", 404, "/v1/responses"),
        ("POST", "/v1/images/generations", 404, "text"),
        ("GET", "/v1/organization/spend_limit", 404, "/v1/organization/costs"),
        ("GET", "/v1/organization/projects/p/spend_limit", 404, "/v1/organization/costs"),
        ("GET", "/v1/organization/groups", 404, "service_accounts"),
        ("GET", "/v1/chat/completions/chatcmpl-1/messages", 404, "/v1/responses"),
        # The path of another method of HTTP that is served.
        ("GET", "/v1/chat/completions", 405, "/v1/responses"),
        # It would pass for the id of a response.
        ("POST", "/v1/responses/compact", 404, "as input"),
    ],
)
async def test_the_answer_says_the_way_out(
    asgi: httpx.AsyncClient, method: str, path: str, status: int, way_out: str
) -> None:
    answer = await asgi.request(method, path, json={})
    error = answer.json()["error"]
    assert answer.status_code == status
    assert error["message"].startswith(f"{method} {path} is not served here. ")
    assert way_out in error["message"]
    assert error["code"] == ("unknown_url" if status == 404 else "method_not_allowed")
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/assistant"), ("PUT", "/v1/responses/compact"), ("GET", "/assistants"), ("GET", "/v1/x")],
)
def test_what_nobody_answers_has_no_way_out(method: str, path: str) -> None:
    assert way_out_of(method, path) is None
