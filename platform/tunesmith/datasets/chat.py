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

from tunesmith.datasets.jsonl import Fault, LineError, describe_faults, kind_of, read_lines
from tunesmith.errors import DataError
from tunesmith.records import Example, Message, Role
from tunesmith.stores.atomic import write_atomic

ROLES: tuple[str, ...] = get_args(Role)

_LINE_KEYS = ("messages", "id", "metadata", "parallel_tool_calls")
"""Keys of a line that are learnt from, or that OpenAI's format has and no token depends on."""
_MESSAGE_KEYS = ("role", "content", "weight", "name", "tool_call_id")
"""The same of a message: `name` and `tool_call_id` are not shown to the model."""
_NOT_YET = ("tools", "functions", "tool_calls", "function_call", "refusal", "audio", "annotations")
"""What OpenAI's format also has, and what no run here can learn: harmless only where it is null or empty."""


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
    parsed = list(chat_lines(path))
    examples = [item for item in parsed if isinstance(item, Example)]
    faults = [item for item in parsed if isinstance(item, Fault)]
    return ChatFile(str(path), tuple(examples), tuple(faults))


def chat_lines(path: str | Path, *, name: str | None = None) -> Iterator[Example | Fault]:
    """Read a file line by line.

    Args:
        path: a chat JSONL file, UTF-8.
        name: what its faults call it; the path if unset.

    Returns:
        Each line as an example or a fault; an empty file is one fault at line 1.

    Raises:
        DataError: the file cannot be opened.
    """
    return read_lines(path, _parse, name=name or str(path), what="conversation")


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


def _parse(document: dict[str, Any], file: str, number: int) -> Example:
    return Example(_parse_messages(document), file, number)


def _parse_messages(document: dict[str, Any]) -> tuple[Message, ...]:
    if "preferred_output" in document:
        raise LineError(
            "this is a pair of answers, of which one is preferred: data for dpo (objective.type, or method.type of "
            'a request). Write {"messages": [...]} for supervised training.'
        )
    if "messages" not in document:
        raise LineError(
            '"messages" is missing. Write {"messages": [{"role": "user", "content": "..."}, ...]}.'
        )
    check_keys(document, _LINE_KEYS, where="")
    messages = parse_messages(document["messages"], where="messages")
    _check_conversation(messages)
    return messages


def parse_messages(turns: Any, *, where: str) -> tuple[Message, ...]:
    """Read a list of messages.

    Args:
        turns: as it stands in the line.
        where: what its faults call it.

    Returns:
        The messages; a system message is the first or there is none.

    Raises:
        LineError: one of them is none.
    """
    if not isinstance(turns, list) or not turns:
        raise LineError(f'"{where}" is {kind_of(turns)}, not a list of at least one message.')
    messages = tuple(_parse_message(turn, f"{where}[{position}]") for position, turn in enumerate(turns))
    if any(message.role == "system" for message in messages[1:]):
        raise LineError("a system turn stands after another turn. Put it first.")
    return messages


def _parse_message(turn: Any, where: str) -> Message:
    if not isinstance(turn, dict):
        raise LineError(f'{where} is {kind_of(turn)}. Write {{"role": "...", "content": "..."}}.')
    role, content, weight = turn.get("role"), turn.get("content"), turn.get("weight", 1)
    if role not in ROLES:
        raise LineError(f"role {json.dumps(role)} is not allowed. Use system, user, assistant or tool.")
    check_keys(turn, _MESSAGE_KEYS, where=f"{where}.")
    if not isinstance(content, str):
        raise LineError(f"{where}.content is {kind_of(content)}. Write a string.")
    _check_characters(content, where)
    if weight not in (0, 1) or isinstance(weight, (bool, float)):
        raise LineError(f"{where}.weight={json.dumps(weight)} is neither 0 nor 1. Use 0 or 1.")
    if role == "assistant" and not content:
        raise LineError(f"{where}.content is empty, and an assistant turn is what is learned. Fill it.")
    return Message(role, content, weight)


def check_keys(found: dict[str, Any], known: tuple[str, ...], *, where: str) -> None:
    """Refuse what would be dropped without a word: a misspelt key, or one that a user counts on.

    Args:
        found: an object of a line.
        known: keys that are learnt from, or that no token depends on.
        where: what stands before a key in a fault.

    Raises:
        LineError: names the first other key.
    """
    for key, value in found.items():
        if key in known or (key in _NOT_YET and not value):
            continue
        if key in _NOT_YET:
            raise LineError(f"{where}{key} cannot be trained yet. Write it as content, or leave it out.")
        raise LineError(
            f"{where}{json.dumps(key)} is not a key of the format. Use {', '.join(known)}; look for a spelling mistake."
        )


def _check_characters(content: str, where: str) -> None:
    try:
        content.encode("utf-8")
    except UnicodeEncodeError as error:
        half = json.dumps(content[error.start])
        raise LineError(
            f"{where}.content holds half a character, {half}, at position {error.start + 1}: a lone "
            "surrogate, as a text cut inside an emoji leaves it. Write the whole character, or remove it."
        ) from None


def _check_conversation(messages: tuple[Message, ...]) -> None:
    if not any(message.role == "assistant" for message in messages):
        raise LineError("no assistant turn, so there is nothing to learn. Add one.")
    if not any(message.role == "assistant" and message.weight for message in messages):
        raise LineError(
            'every assistant turn has "weight": 0, so there is nothing to learn. Give one weight 1.'
        )
