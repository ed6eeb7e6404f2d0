"""Chat JSONL: one conversation a line, read with every fault told at once.

{"messages": [{"role": "system", "content": "..."}, {"role": "user", "content": "..."},
              {"role": "assistant", "content": "...", "weight": 1}]}
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from tunesmith.errors import DataError
from tunesmith.records import Example, Message, Role
from tunesmith.stores.atomic import write_atomic

ROLES: tuple[str, ...] = get_args(Role)
MAX_FAULTS_SHOWN = 50
"""Faults printed of one file; the rest is counted."""

_MOST_CHARACTERS = 400
"""Of one fault."""
_BOM = b"\xef\xbb\xbf"

_LINE_KEYS = ("messages", "id", "metadata", "parallel_tool_calls")
"""Keys of a line that are learnt from, or that OpenAI's format has and no token depends on."""
_MESSAGE_KEYS = ("role", "content", "weight", "name", "tool_call_id")
"""The same of a message: `name` and `tool_call_id` are not shown to the model."""
_NOT_YET = ("tools", "functions", "tool_calls", "function_call", "refusal", "audio", "annotations")
"""What OpenAI's format also has, and what no run here can learn: harmless only where it is null or empty."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one line, and the way out."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        """The line as a user reads it: `file:line: reason`."""
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ChatFile:
    """A file as read: the examples of its good lines, and the faults of the others."""

    path: str
    examples: tuple[Example, ...]
    faults: tuple[Fault, ...]


def load_chat(path: str | Path) -> tuple[Example, ...]:
    """Read a file that must be free of faults.

    Args:
        path: a chat JSONL file, UTF-8.

    Returns:
        Its conversations, in order.

    Raises:
        DataError: the file is missing, empty, or has bad lines; one line of message for each.
    """
    file = read_chat(path)
    if file.faults:
        raise DataError(describe_faults(file.faults))
    return file.examples


def read_chat(path: str | Path) -> ChatFile:
    """Read a file and collect what is wrong with it.

    Args:
        path: a chat JSONL file, UTF-8; a byte order mark is passed over.

    Returns:
        Good lines as examples, bad lines as faults; an empty file is one fault at line 1.

    Raises:
        DataError: the file cannot be opened.
    """
    name = str(path)
    parsed = [_parse_line(line, name, number) for number, line in _numbered_lines(name)]
    examples = [item for item in parsed if isinstance(item, Example)]
    faults = [item for item in parsed if isinstance(item, Fault)]
    if not examples and not faults:
        faults.append(Fault(name, 1, "the file holds no conversation. Add at least one line."))
    return ChatFile(name, tuple(examples), tuple(faults))


def first_conversations(path: str | Path) -> Iterator[tuple[Message, ...]]:
    """Read the good lines of a file one after the other.

    Args:
        path: a chat JSONL file, UTF-8.

    Yields:
        The messages of each conversation.
    """
    for number, line in _numbered_lines(str(path)):
        item = _parse_line(line, str(path), number)
        if isinstance(item, Example):
            yield item.messages


def check_chat(path: str | Path, *, name: str | None = None) -> tuple[int, tuple[Fault, ...], int]:
    """Look through a file of any size without holding it.

    Args:
        path: a chat JSONL file, UTF-8.
        name: what its faults call it; the path if unset.

    Returns:
        Good lines, the first `MAX_FAULTS_SHOWN` faults, and how many faults there are.

    Raises:
        DataError: the file cannot be opened.
    """
    called, good, faults, shown = name or str(path), 0, 0, list[Fault]()
    for number, line in _numbered_lines(str(path)):
        item = _parse_line(line, called, number)
        if isinstance(item, Example):
            good += 1
            continue
        faults += 1
        if len(shown) < MAX_FAULTS_SHOWN:
            shown.append(item)
    if not good and not faults:
        faults, shown = 1, [Fault(called, 1, "the file holds no conversation. Add at least one line.")]
    return good, tuple(shown), faults


def describe_faults(faults: Sequence[Fault]) -> str:
    """Write faults as text, one line each, the first fifty and the number of the rest.

    Args:
        faults: at least one.

    Returns:
        The message.
    """
    lines = [str(fault) for fault in faults[:MAX_FAULTS_SHOWN]]
    if len(faults) > MAX_FAULTS_SHOWN:
        lines.append(f"... and {len(faults) - MAX_FAULTS_SHOWN} more bad lines in {faults[0].file}.")
    return "\n".join(lines)


def summarize(examples: Sequence[Example]) -> dict[str, int]:
    """Count what a good file holds.

    Args:
        examples: its conversations.

    Returns:
        Conversations, turns, turns that are learned, and characters.
    """
    turns = [message for example in examples for message in example.messages]
    roles = Counter(message.role for message in turns)
    return {
        "conversations": len(examples),
        "turns": len(turns),
        "learned_turns": sum(message.role == "assistant" and message.weight == 1 for message in turns),
        "assistant_turns": roles["assistant"],
        "characters": sum(len(message.content) for message in turns),
    }


def write_chat(path: str | Path, conversations: Sequence[Sequence[Message]]) -> None:
    """Write conversations as chat JSONL.

    Args:
        path: the file; replaced in one step if it exists.
        conversations: messages of each line.

    Raises:
        StorageError: the file cannot be written.
    """
    lines = [
        json.dumps({"messages": [_turn(message) for message in messages]}, ensure_ascii=False) + "\n"
        for messages in conversations
    ]
    write_atomic(Path(path), "".join(lines), mode=0o644)


def _turn(message: Message) -> dict[str, Any]:
    turn = {"role": message.role, "content": message.content}
    return turn if message.weight else {**turn, "weight": 0}


def _numbered_lines(path: str) -> Iterator[tuple[int, bytes]]:
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, start=1):
                body = (line.removeprefix(_BOM) if number == 1 else line).rstrip(b"\r\n")
                # Only a file's last line may be blank without saying so: an empty line elsewhere is a lost example.
                if body.strip() or file.peek(1):
                    yield number, body
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check the path of the data file."
        ) from error


def _parse_line(line: bytes, file: str, number: int) -> Example | Fault:
    try:
        if not line.strip():
            raise _LineError("the line is blank. Remove it.")
        return Example(_parse_messages(_parse_json(line)), file, number)
    except _LineError as error:
        reason = str(error)  # which may quote what is there, megabytes of it
        return Fault(
            file, number, reason if len(reason) <= _MOST_CHARACTERS else f"{reason[:_MOST_CHARACTERS]} ..."
        )


class _LineError(Exception):
    """The reason why a line is refused."""


def _parse_json(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _LineError(f"byte {error.start + 1} is not UTF-8. Save the file as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise _LineError(
            f"not valid JSON: {error.msg} at column {error.colno}. Write one object a line."
        ) from None
    except RecursionError:
        raise _LineError('the JSON is nested too deeply. Write {"messages": [...]}.') from None
    except ValueError:
        raise _LineError("not valid JSON: a number has thousands of digits. Write it as text.") from None
    if not isinstance(document, dict):
        raise _LineError(f'a line is an object with "messages", this is {_kind(document)}.')
    return document


def _parse_messages(document: dict[str, Any]) -> tuple[Message, ...]:
    if "messages" not in document:
        raise _LineError(
            '"messages" is missing. Write {"messages": [{"role": "user", "content": "..."}, ...]}.'
        )
    _check_keys(document, _LINE_KEYS, where="")
    turns = document["messages"]
    if not isinstance(turns, list) or not turns:
        raise _LineError(f'"messages" is {_kind(turns)}, not a list of at least one message.')
    messages = tuple(_parse_message(turn, position) for position, turn in enumerate(turns))
    _check_conversation(messages)
    return messages


def _parse_message(turn: Any, position: int) -> Message:
    if not isinstance(turn, dict):
        raise _LineError(f'messages[{position}] is {_kind(turn)}. Write {{"role": "...", "content": "..."}}.')
    role, content, weight = turn.get("role"), turn.get("content"), turn.get("weight", 1)
    if role not in ROLES:
        raise _LineError(f"role {json.dumps(role)} is not allowed. Use system, user, assistant or tool.")
    _check_keys(turn, _MESSAGE_KEYS, where=f"messages[{position}].")
    if not isinstance(content, str):
        raise _LineError(f"messages[{position}].content is {_kind(content)}. Write a string.")
    _check_characters(content, position)
    if weight not in (0, 1) or isinstance(weight, (bool, float)):
        raise _LineError(f"messages[{position}].weight={json.dumps(weight)} is neither 0 nor 1. Use 0 or 1.")
    if role == "assistant" and not content:
        raise _LineError(
            f"messages[{position}].content is empty, and an assistant turn is what is learned. Fill it."
        )
    return Message(role, content, weight)


def _check_keys(found: dict[str, Any], known: tuple[str, ...], *, where: str) -> None:
    """Refuse what would be dropped without a word: a misspelt key, or one that a user counts on."""
    for key, value in found.items():
        if key in known or (key in _NOT_YET and not value):
            continue
        if key in _NOT_YET:
            raise _LineError(f"{where}{key} cannot be trained yet. Write it as content, or leave it out.")
        raise _LineError(
            f"{where}{json.dumps(key)} is not a key of the format. Use {', '.join(known)}; look for a spelling mistake."
        )


def _check_characters(content: str, position: int) -> None:
    try:
        content.encode("utf-8")
    except UnicodeEncodeError as error:
        half = json.dumps(content[error.start])
        raise _LineError(
            f"messages[{position}].content holds half a character, {half}, at position {error.start + 1}: a lone "
            "surrogate, as a text cut inside an emoji leaves it. Write the whole character, or remove it."
        ) from None


def _check_conversation(messages: tuple[Message, ...]) -> None:
    if not any(message.role == "assistant" for message in messages):
        raise _LineError("no assistant turn, so there is nothing to learn. Add one.")
    if not any(message.role == "assistant" and message.weight for message in messages):
        raise _LineError(
            'every assistant turn has "weight": 0, so there is nothing to learn. Give one weight 1.'
        )
    if any(message.role == "system" for message in messages[1:]):
        raise _LineError("a system turn stands after another turn. Put it first.")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return "an empty list" if value == [] else names.get(type(value), "a number")
