"""Preference JSONL: every bad line is told, every good one is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.config.train import TrainConfig
from tunesmith.datasets.chat import load_chat
from tunesmith.datasets.preferences import (
    holds_preferences,
    load_preferences,
    summarize_preferences,
    write_preferences,
)
from tunesmith.datasets.sources import check_file, load_data, prompts_of
from tunesmith.errors import DataError
from tunesmith.records import Message

USER = {"role": "user", "content": "How many days?"}
CHAT = {"messages": [USER, {"role": "assistant", "content": "27"}]}


def _answer(content: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": content}]


def _line(**fields: Any) -> dict[str, Any]:
    made = {
        "input": {"messages": [USER]},
        "preferred_output": _answer("27"),
        "non_preferred_output": _answer("Many."),
    }
    return {key: value for key, value in {**made, **fields}.items() if value is not ...}


BAD_LINES = {
    "not valid JSON": '{"input": {',
    "this is a conversation: data for supervised training": CHAT,
    '"input" is missing': _line(input=...),
    '"preferred_output" is missing': _line(preferred_output=...),
    '"non_preferred_output" is missing': _line(non_preferred_output=...),
    '"input" is a list, not an object with "messages"': _line(input=[USER]),
    '"input" is an object, not an object with "messages"': _line(input={}),
    '"input.messages" is an empty list': _line(input={"messages": []}),
    'role "bot" is not allowed': _line(input={"messages": [{"role": "bot", "content": "x"}]}),
    "input.messages[0].content is null": _line(input={"messages": [{"role": "user", "content": None}]}),
    "input.messages ends with an assistant turn": _line(input={"messages": CHAT["messages"]}),
    "a system turn stands after": _line(input={"messages": [USER, {"role": "system", "content": "x"}]}),
    "input.tools cannot be trained yet": _line(input={"messages": [USER], "tools": [{"type": "function"}]}),
    '"preferred_output" is a string': _line(preferred_output="27"),
    '"preferred_output" holds 2 messages': _line(preferred_output=[*_answer("a"), *_answer("b")]),
    'non_preferred_output[0].role is "user"': _line(non_preferred_output=[USER]),
    "preferred_output[0].content is empty": _line(preferred_output=_answer("")),
    "preferred_output[0].weight=0: an output that does not count": _line(
        preferred_output=[{**_answer("27")[0], "weight": 0}]
    ),
    "both outputs say the same": _line(non_preferred_output=_answer("27")),
    '"preferd" is not a key of the format': _line(preferd=1),
}


def _write(folder: Path, *lines: Any) -> Path:
    path = folder / "pairs.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


@pytest.mark.parametrize(("reason", "line"), BAD_LINES.items(), ids=BAD_LINES)
def test_bad_line_is_told_with_file_number_and_reason(tmp_path: Path, reason: str, line: Any) -> None:
    path = _write(tmp_path, _line(), line, _line())
    with pytest.raises(DataError) as told:
        load_preferences(path)
    assert told.value.message.startswith(f"{path}:2: ")
    assert reason in told.value.message
    assert len(told.value.message.splitlines()) == 1


def test_all_bad_lines_are_told_at_once(tmp_path: Path) -> None:
    path = _write(tmp_path, *BAD_LINES.values(), _line())
    with pytest.raises(DataError) as told:
        load_preferences(path)
    assert len(told.value.message.splitlines()) == len(BAD_LINES)


def test_what_the_format_also_has_is_accepted(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "system", "content": "s"}, *CHAT["messages"], USER], "tools": []}
    path = _write(tmp_path, _line(input={**talk, "parallel_tool_calls": True}, metadata={"from": "us"}))
    (pair,) = load_preferences(path)
    assert [message.role for message in pair.prompt] == ["system", "user", "assistant", "user"]
    assert (pair.preferred.content, pair.non_preferred.content, pair.line) == ("27", "Many.", 1)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    write_preferences(path, [((Message("user", "Wie viele Tage? ☃"),), "27", "viele")])
    (pair,) = load_preferences(path)
    assert pair.prompt == (Message("user", "Wie viele Tage? ☃"),)
    assert summarize_preferences([pair]) == {"pairs": 1, "prompt_turns": 1, "characters": 24}


@pytest.mark.parametrize(("line", "of_pairs"), [(_line(), True), (CHAT, False), ("", False)])
def test_the_first_line_tells_the_format(tmp_path: Path, line: Any, of_pairs: bool) -> None:
    assert holds_preferences(_write(tmp_path, line)) is of_pairs


def test_pairs_are_refused_where_conversations_are_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data for dpo"):
        load_chat(_write(tmp_path, _line()))


def test_the_objective_decides_how_a_file_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path, _line(), CHAT)
    fields = {"name": "run", "data": {"type": "file", "path": str(path)}}
    dpo = TrainConfig.model_validate({**fields, "objective": {"type": "dpo"}})
    sft = TrainConfig.model_validate(fields)
    for config, bad in ((dpo, 2), (sft, 1)):
        good, (fault,), count = check_file(config, path, name="file-1")
        assert (good, count, fault.file, fault.line) == (1, 1, "file-1", bad)
        assert list(prompts_of(config, str(path))) == [(Message("user", "How many days?"),)]
        with pytest.raises(DataError, match=f":{bad}: "):
            load_data(config)
