"""429 with what is left and when to come back; and what was used, found again."""

from __future__ import annotations

import time

import httpx
import openai
import pytest

from tunesmith.stores.keys import KeyStore
from tunesmith.stores.limits import Limits, LimitStore, of_key, of_project
from tunesmith.stores.usage import UsageStore

CHAT = {"model": "tiny-reader", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def limits(database):
    return LimitStore(database)


def ask(gateway_url, key, path="/v1/chat/completions", **body):
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(gateway_url + path, json=CHAT | body, headers=headers, timeout=20, trust_env=False)


def test_without_a_limit_nothing_is_said_of_one(gateway_url, key, plane):
    assert not [name for name in ask(gateway_url, key).headers if name.startswith("x-ratelimit")]


def test_requests_above_the_limit_are_refused_with_the_way_back(gateway_url, key, limits, plane, conforms):
    limits.set(of_project("default"), "default", Limits(requests_per_minute=2))
    first, second, third = (ask(gateway_url, key) for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert [r.headers["x-ratelimit-remaining-requests"] for r in (first, second, third)] == ["1", "0", "0"]
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    assert 1 <= int(third.headers["retry-after"]) <= 30
    error = third.json()["error"]
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    conforms("ErrorResponse", third.json())
    assert len(plane.requests) == 2
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{gateway_url}/v1/models", headers=headers, trust_env=False).status_code == 200


def test_tokens_are_paid_for_afterwards_and_debts_are_waited_for(gateway_url, key, limits, plane):
    limits.set(of_project("default"), "default", Limits(tokens_per_minute=10))
    answers = [ask(gateway_url, key, stream=stream) for stream in (False, True, False)]
    # 7 tokens, then 8 more: nothing is left but a debt
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"]["type"] == "tokens"
    assert int(answers[2].headers["retry-after"]) > 5


def test_a_key_is_limited_beside_its_project_and_others_are_not(gateway_url, database, key, limits, plane):
    keys = KeyStore(database)
    other = keys.create("default", "other")
    limits.set(of_key(keys.verify(other).id), "default", Limits(requests_per_minute=1))
    assert [ask(gateway_url, other).status_code for _ in range(2)] == [200, 429]
    assert ask(gateway_url, key).status_code == 200


def test_the_official_client_says_rate_limit(client, key, limits, plane):
    limits.set(of_project("default"), "default", Limits(requests_per_minute=1))
    client.chat.completions.create(**CHAT)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**CHAT)


def test_what_was_used_is_written_after_a_moment(gateway_url, database, key, plane, monkeypatch):
    monkeypatch.setattr("tunesmith.gateway.meter.FLUSH_SECONDS", 0.05)
    ask(gateway_url, key)
    ask(gateway_url, key, stream=True)
    ask(gateway_url, key, model="nobody")
    now, lines = int(time.time()), []
    deadline = time.monotonic() + 10
    while sum(line.used.requests for line in lines) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        lines = UsageStore(database).report(
            start=now - 7200, end=now + 7200, group_by=("project_id", "model", "api_key_id")
        )
    (line,) = lines
    known = KeyStore(database).verify(key)
    assert line.group == {"project_id": "default", "model": "tiny-reader", "api_key_id": known.id}
    assert (line.used.requests, line.used.input_tokens, line.used.output_tokens) == (2, 10, 5)
    assert KeyStore(database).get("default", known.id).last_used_at == pytest.approx(now, abs=20)
