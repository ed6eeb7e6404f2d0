"""Answers that are kept, what is said of them, and the training file that comes of it."""

from __future__ import annotations

import json
from pathlib import Path

import openai
import pytest

from tunesmith.datasets.feedback import build_from_feedback
from tunesmith.errors import DataError
from tunesmith.stores.feedback import FeedbackStore

QUESTION = [{"role": "user", "content": "How many days?"}]


@pytest.fixture
def client(gateway_url, key):
    with openai.OpenAI(base_url=f"{gateway_url}/v1", api_key=key, max_retries=0) as client:
        yield client


def _ask(client, **fields):
    return client.chat.completions.create(model="tiny-reader", messages=QUESTION, **fields)


def _stream(client, **fields):
    return "".join(
        chunk.choices[0].delta.content or "" for chunk in _ask(client, stream=True, **fields) if chunk.choices
    )


@pytest.mark.parametrize("how", [_ask, _stream])
def test_a_correction_becomes_a_line_with_its_origin(client, http, database, tmp_path: Path, how):
    how(client, store=True)
    given = http.post(
        "/v1/feedback",
        json={"interaction_id": "chatcmpl-1", "rating": "down", "correction": "27 days [1]"},
    )
    assert given.status_code == 200, given.text
    rated = FeedbackStore(database, "default").rated(asked="tiny-reader")
    made = build_from_feedback(rated, tmp_path / "feedback.jsonl", copies=2)
    assert (made.num_rows, made.counts) == (2, {"corrected": 1})
    line = json.loads((tmp_path / "feedback.jsonl").read_text().splitlines()[0])
    assert line["messages"] == [*QUESTION, {"role": "assistant", "content": "27 days [1]"}]
    assert line["metadata"] == {"feedback": given.json()["id"], "interaction": "chatcmpl-1"}
    assert rated[0][0].answer == ("hello" if how is _ask else "0 1 2 ")


def test_what_was_not_kept_cannot_be_rated(client, http):
    _ask(client)
    told = http.post("/v1/feedback", json={"interaction_id": "chatcmpl-1", "rating": "up"})
    assert (told.status_code, told.json()["error"]["code"]) == (404, "interaction_not_found")


def test_the_newest_word_counts(client, http, database, tmp_path: Path):
    _ask(client, store=True)
    for rating in ("up", "down"):
        http.post("/v1/feedback", json={"interaction_id": "chatcmpl-1", "rating": rating})
    rated = FeedbackStore(database, "default").rated()
    assert [feedback.rating for _, feedback in rated] == ["down"]
    with pytest.raises(DataError, match="nothing to learn"):
        build_from_feedback(rated, tmp_path / "feedback.jsonl")


@pytest.mark.parametrize(
    "body",
    [
        {"interaction_id": "chatcmpl-1"},
        {"interaction_id": "chatcmpl-1", "rating": "sideways"},
        {"interaction_id": "chatcmpl-1", "rating": "up", "colour": "red"},
    ],
)
def test_wrong_feedback_is_told(http, body):
    assert http.post("/v1/feedback", json=body).status_code == 400
