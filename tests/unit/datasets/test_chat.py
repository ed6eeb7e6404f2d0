"""Chat JSONL: every bad line is told, every good one is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.datasets.chat import load_chat, read_chat, summarize, write_chat
from tunesmith.datasets.jsonl import MAX_FAULTS_SHOWN
from tunesmith.errors import DataError, StorageError
from tunesmith.records import Message

GOOD = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}'


def _line(*turns: dict[str, object]) -> str:
    return json.dumps({"messages": list(turns)})


USER = {"role": "user", "content": "hi"}
ASSISTANT = {"role": "assistant", "content": "hello"}

BAD_LINES = {
    "not valid JSON": '{"messages": [',
    'an object with "messages", this is a list': "[1]",
    '"messages" is missing': '{"message": []}',
    "is an empty list": '{"messages": []}',
    'role "bot" is not allowed. Use system, user, assistant or tool.': _line({"role": "bot", "content": "x"}),
    "role null is not allowed": _line({"content": "x"}),
    "messages[0] is a string": '{"messages": ["hi"]}',
    "messages[0].content is null": _line({"role": "user", "content": None}, ASSISTANT),
    "no assistant turn": _line(USER),
    "weight=2 is neither 0 nor 1": _line(USER, {**ASSISTANT, "weight": 2}),
    "weight=true is neither 0 nor 1": _line(USER, {**ASSISTANT, "weight": True}),
    'every assistant turn has "weight": 0': _line(USER, {**ASSISTANT, "weight": 0}),
    "messages[1].content is empty": _line(USER, {"role": "assistant", "content": ""}),
    "a system turn stands after another": _line(USER, {"role": "system", "content": "x"}, ASSISTANT),
    "the line is blank": "   ",
    "nested too deeply": "[" * 100_000,
    "thousands of digits": '{"messages": ' + "1" * 5000 + "}",
    'holds half a character, "\\ud83d", at position 3': _line(USER, {**ASSISTANT, "content": "ok\ud83d"}),
    'messages[1]."wieght" is not a key of the format. Use role, content, weight': _line(
        USER, {**ASSISTANT, "wieght": 0}
    ),
    "messages[1].tool_calls cannot be trained yet": _line(
        USER, {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1"}]}
    ),
    "messages[1].refusal cannot be trained yet": _line(USER, {**ASSISTANT, "refusal": "I cannot."}),
    "tools cannot be trained yet": json.dumps(
        {"messages": [USER, ASSISTANT], "tools": [{"type": "function"}]}
    ),
    '"mesages" is not a key of the format. Use messages, id': json.dumps(
        {"mesages": [], "messages": [USER, ASSISTANT]}
    ),
}


def _write(folder: Path, *lines: str) -> Path:
    path = folder / "train.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("reason", "line"), BAD_LINES.items(), ids=BAD_LINES)
def test_bad_line_is_told_with_file_number_and_reason(tmp_path: Path, reason: str, line: str) -> None:
    path = _write(tmp_path, GOOD, line, GOOD)
    with pytest.raises(DataError) as told:
        load_chat(path)
    assert told.value.message.startswith(f"{path}:2: ")
    assert reason in told.value.message


def test_all_bad_lines_are_told_at_once(tmp_path: Path) -> None:
    path = _write(tmp_path, *BAD_LINES.values(), GOOD)
    chat = read_chat(path)
    assert [fault.line for fault in chat.faults] == list(range(1, len(BAD_LINES) + 1))
    assert [example.line for example in chat.examples] == [len(BAD_LINES) + 1]


def test_a_flood_of_faults_is_counted(tmp_path: Path) -> None:
    path = _write(tmp_path, *["{"] * (MAX_FAULTS_SHOWN + 7))
    with pytest.raises(DataError, match=r"\.\.\. and 7 more bad lines") as told:
        load_chat(path)
    assert len(told.value.message.splitlines()) == MAX_FAULTS_SHOWN + 1


def test_bytes_that_are_no_utf8_are_told(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(GOOD.encode() + b"\n" + GOOD.replace("hello", "caf\u00e9").encode("latin-1") + b"\n")
    with pytest.raises(DataError, match=r"latin.jsonl:2: byte .* is not UTF-8"):
        load_chat(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_empty_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"empty.jsonl:1: the file holds no conversation"):
        load_chat(path)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read: No such file"):
        load_chat(tmp_path / "none.jsonl")


def test_byte_order_mark_and_windows_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n" + GOOD.encode() + b"\r\n")
    assert len(load_chat(path)) == 2


def test_weight_is_kept(tmp_path: Path) -> None:
    path = _write(tmp_path, _line(USER, {**ASSISTANT, "weight": 0}, USER, ASSISTANT))
    (example,) = load_chat(path)
    assert [message.weight for message in example.messages] == [1, 0, 1, 1]
    assert summarize([example]) == {
        "conversations": 1,
        "turns": 4,
        "learned_turns": 1,
        "assistant_turns": 2,
        "characters": 14,
    }


def test_keys_of_openai_that_change_no_token_are_passed_over(tmp_path: Path) -> None:
    exported = {
        **ASSISTANT,
        "name": "bot",
        "refusal": None,
        "audio": None,
        "annotations": [],
        "tool_calls": [],
    }
    answered = {"role": "tool", "content": "27", "tool_call_id": "call_1"}
    line = {
        "messages": [USER, answered, exported],
        "parallel_tool_calls": False,
        "id": 7,
        "metadata": {"id": "7"},
        "tools": [],
    }
    (example,) = load_chat(_write(tmp_path, json.dumps(line)))
    assert [message.content for message in example.messages] == ["hi", "27", "hello"]


def test_weight_0_is_written_too(tmp_path: Path) -> None:
    talk = (Message("user", "a"), Message("assistant", "b", weight=0), Message("assistant", "c"))
    write_chat(tmp_path / "train.jsonl", [talk])
    assert [example.messages for example in load_chat(tmp_path / "train.jsonl")] == [talk]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/train.jsonl cannot be written"):
        write_chat(tmp_path / "file" / "train.jsonl", [])


text = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
turn = st.tuples(st.sampled_from(["user", "tool"]), text).map(lambda pair: Message(pair[0], pair[1]))


@given(st.lists(st.tuples(st.lists(turn, max_size=3), text), min_size=1, max_size=5))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[list[Message], str]]
) -> None:
    conversations = [(*turns, Message("assistant", answer)) for turns, answer in rows]
    path = tmp_path_factory.mktemp("chat") / "train.jsonl"
    write_chat(path, conversations)
    assert [example.messages for example in load_chat(path)] == conversations


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("chat") / "train.jsonl"
    path.write_bytes(content)
    chat = read_chat(path)
    assert chat.examples or chat.faults


def test_a_fault_quotes_no_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "x" * 1_000_000, "content": ""}]}) + "\n")
    (fault,) = read_chat(path).faults
    assert len(str(fault)) < 1000
