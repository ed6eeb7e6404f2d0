"""Log lines: JSON that machines read, text that people read, and no secret in either."""

from __future__ import annotations

import json
import logging

import pytest

from tunesmith.telemetry.logs import JsonFormatter, TextFormatter, hide_secrets

KEY = "sk-ts-abcDEF123456789_xyz"


def record(message: str, *args: object, fields: dict[str, object] | None = None) -> logging.LogRecord:
    made = logging.LogRecord("tunesmith.x", logging.INFO, "f.py", 1, message, args, None)
    made.fields = fields or {}
    return made


def test_a_json_line_holds_its_fields_as_keys_of_their_own():
    line = JsonFormatter("gateway").format(record("POST %s", "/v1/x", fields={"status": 200, "project": "a"}))
    said = json.loads(line)
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "info",
        "service": "gateway",
        "logger": "tunesmith.x",
        "message": "POST /v1/x",
        "status": 200,
        "project": "a",
    }
    assert "\n" not in JsonFormatter("gateway").format(record("two\nlines"))


def test_a_text_line_has_its_fields_behind_it():
    formatter = TextFormatter("%(levelname)s %(message)s")
    assert formatter.format(record("done", fields={"status": 200, "error": ""})) == "INFO done status=200"


@pytest.mark.parametrize("formatter", [JsonFormatter("x"), TextFormatter("%(message)s")])
def test_a_key_that_came_into_a_message_does_not_come_out(formatter):
    assert KEY not in formatter.format(record(f"refused {KEY} and Authorization: Bearer abcdef0123456789"))
    assert "abcdef0123456789" not in formatter.format(record("Bearer abcdef0123456789"))
    try:
        raise ValueError(KEY)
    except ValueError as error:
        failed = record("failed")
        failed.exc_info = (ValueError, error, error.__traceback__)
    said = formatter.format(failed)
    assert "ValueError" in said
    assert KEY not in said


def test_words_that_only_look_alike_stay():
    assert hide_secrets("task-force of the bearer bond") == "task-force of the bearer bond"


def test_the_password_of_a_url_is_hidden_and_the_rest_of_it_is_not():
    said = hide_secrets(
        "cannot reach postgresql://tunesmith:pass@db:5432/x, http://127.0.0.1:8000/v1 answers"
    )
    assert said == "cannot reach postgresql://tunesmith:[hidden]@db:5432/x, http://127.0.0.1:8000/v1 answers"
