"""What of a conversation reaches the engine."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.errors import ConfigError
from tunesmith.rag.prompt import render_question
from tunesmith.records import Chunk, Hit, Source
from tunesmith.serve.answer_request import AnswerRequest

LEAVE = "Full-time staff receive 27 days of leave."
SOURCES = (Source(1, Hit(Chunk("1", "leave.md", "T", 0, 0, len(LEAVE), LEAVE), 0.5, "docs")),)
STORE = {"id": "vs_1", "name": "docs", "collection": "c", "embedder": "hashing", "project_id": "acme"}

QUESTION = {"role": "user", "content": "How much leave is left?"}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "leave_taken", "arguments": '{"who": "Anna"}'},
        }
    ],
}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "12 days"}
RENDERED = {"role": "user", "content": render_question("How much leave is left?", [f"[1] {LEAVE}"])}


def _request(*messages: dict[str, Any], **fields: Any) -> AnswerRequest:
    body = {"model": "tiny", "messages": messages, "vector_stores": [STORE], **fields}
    return AnswerRequest.model_validate(body)


def _turns(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    system, *turns = _request(*messages, **fields).engine_body(SOURCES)["messages"]
    assert system["role"] == "system"
    return turns


def test_tool_results_stand_behind_the_question_they_belong_to() -> None:
    assert _turns(QUESTION, CALLED, RESULT) == [RENDERED, CALLED, RESULT]


def test_every_round_of_a_tool_loop_is_kept() -> None:
    assert _turns(QUESTION, CALLED, RESULT, CALLED, RESULT) == [RENDERED, *(CALLED, RESULT) * 2]


def test_tool_results_of_earlier_questions_stay_before_it() -> None:
    said = {"role": "assistant", "content": "12 days."}
    asked = {"role": "user", "content": [{"type": "text", "text": "And Anna?"}], "name": "ben"}
    assert _turns(asked, CALLED, RESULT, said, QUESTION) == [asked, CALLED, RESULT, said, RENDERED]


def test_the_question_is_the_last_user_turn_whatever_stands_behind_it() -> None:
    assert _request(QUESTION, CALLED, RESULT).question == "How much leave is left?"


@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_stand_for_system_turns_wherever_those_stand(role: str) -> None:
    turn = {"role": role, "content": "Be long."}
    body = _request(turn, QUESTION, CALLED, turn, RESULT, instructions="Be short.").engine_body(SOURCES)
    assert body["messages"] == [{"role": "system", "content": "Be short."}, RENDERED, CALLED, RESULT]


def test_tools_and_other_fields_go_to_the_engine() -> None:
    tools = [{"type": "function", "function": {"name": "leave_taken"}}]
    body = _request(QUESTION, tools=tools, temperature=0).engine_body(SOURCES)
    assert (body["tools"], body["temperature"], body["stream"]) == (tools, 0, False)
    assert "vector_stores" not in body


def test_a_conversation_without_a_question_is_refused() -> None:
    with pytest.raises(ConfigError, match="no question"):
        _request(CALLED, RESULT).engine_body(SOURCES)
