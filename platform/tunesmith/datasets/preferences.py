"""Preference JSONL: two answers to one prompt a line, of which the first is the better one.

{"input": {"messages": [{"role": "user", "content": "..."}]},
 "preferred_output": [{"role": "assistant", "content": "..."}],
 "non_preferred_output": [{"role": "assistant", "content": "..."}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tunesmith.datasets.chat import check_keys, parse_messages
from tunesmith.datasets.jsonl import Fault, LineError, describe_faults, kind_of, numbered_lines, read_lines
from tunesmith.errors import DataError
from tunesmith.records import Message, Preference
from tunesmith.stores.atomic import write_atomic

_LINE_KEYS = ("input", "preferred_output", "non_preferred_output", "id", "metadata")
_INPUT_KEYS = ("messages", "parallel_tool_calls")


def load_preferences(path: str | Path) -> tuple[Preference, ...]:
    """Read a file that must be free of faults.

    Args:
        path: a preference JSONL file, UTF-8.

    Returns:
        Its pairs, in order.

    Raises:
        DataError: the file is missing, empty, or has bad lines; one line of message for each.
    """
    items = list(preference_lines(path))
    faults = [item for item in items if isinstance(item, Fault)]
    if faults:
        raise DataError(describe_faults(faults))
    return tuple(item for item in items if isinstance(item, Preference))


def preference_lines(path: str | Path, *, name: str | None = None) -> Iterator[Preference | Fault]:
    """Read a file line by line.

    Args:
        path: a preference JSONL file, UTF-8.
        name: what its faults call it; the path if unset.

    Returns:
        Each line as a pair or a fault; an empty file is one fault at line 1.

    Raises:
        DataError: the file cannot be opened.
    """
    return read_lines(path, _parse, name=name or str(path), what="pair of answers")


def holds_preferences(path: str | Path) -> bool:
    """Tell by its first line whether a file is meant to hold preferences rather than conversations.

    Args:
        path: a JSONL file.

    Returns:
        True if that line names one of the answers.

    Raises:
        DataError: the file cannot be opened.
    """
    _, line = next(numbered_lines(path), (1, b""))
    return b'preferred_output"' in line


def summarize_preferences(pairs: Sequence[Preference]) -> dict[str, int]:
    """Count what a good file holds.

    Args:
        pairs: its pairs.

    Returns:
        Pairs, turns of their prompts, and characters of all.
    """
    prompts = [message for pair in pairs for message in pair.prompt]
    answers = [answer for pair in pairs for answer in (pair.preferred, pair.non_preferred)]
    return {
        "pairs": len(pairs),
        "prompt_turns": len(prompts),
        "characters": sum(len(message.content) for message in (*prompts, *answers)),
    }


def write_preferences(path: str | Path, pairs: Sequence[tuple[Sequence[Message], str, str]]) -> None:
    """Write pairs as preference JSONL.

    Args:
        path: the file; replaced in one step if it exists.
        pairs: prompt, preferred and non-preferred answer of each line.

    Raises:
        StorageError: the file cannot be written.
    """
    lines = [json.dumps(preference_line(*pair), ensure_ascii=False) + "\n" for pair in pairs]
    write_atomic(Path(path), "".join(lines), mode=0o644)


def preference_line(prompt: Sequence[Message], preferred: str, other: str) -> dict[str, Any]:
    """Lay a pair out as the format has it.

    Args:
        prompt: what is answered.
        preferred: the better answer.
        other: the other one.

    Returns:
        The object of a line.
    """
    return {
        "input": {"messages": [{"role": turn.role, "content": turn.content} for turn in prompt]},
        "preferred_output": [{"role": "assistant", "content": preferred}],
        "non_preferred_output": [{"role": "assistant", "content": other}],
    }


def _parse(document: dict[str, Any], file: str, number: int) -> Preference:
    if "messages" in document:
        raise LineError(
            "this is a conversation: data for supervised training (objective.type: sft). For dpo write "
            '{"input": {"messages": [...]}, "preferred_output": [...], "non_preferred_output": [...]}.'
        )
    for key in ("input", "preferred_output", "non_preferred_output"):
        if key not in document:
            raise LineError(
                f'"{key}" is missing. Write {{"input": {{"messages": [...]}}, "preferred_output": [...], '
                '"non_preferred_output": [...]}.'
            )
    check_keys(document, _LINE_KEYS, where="")
    prompt = _parse_input(document["input"])
    preferred, other = (_parse_answer(document, key) for key in ("preferred_output", "non_preferred_output"))
    if preferred.content == other.content:
        raise LineError(
            "both outputs say the same, so there is nothing to prefer. Remove the line, or make them differ."
        )
    return Preference(prompt, preferred, other, file, number)


def _parse_input(found: Any) -> tuple[Message, ...]:
    if not isinstance(found, dict) or "messages" not in found:
        raise LineError(
            f'"input" is {kind_of(found)}, not an object with "messages". Write {{"messages": [...]}}.'
        )
    check_keys(found, _INPUT_KEYS, where="input.")
    messages = parse_messages(found["messages"], where="input.messages")
    if messages[-1].role == "assistant":
        raise LineError(
            "input.messages ends with an assistant turn, and that is what the outputs hold. Remove it, or end with "
            "what the assistant answers to."
        )
    return messages


def _parse_answer(document: dict[str, Any], key: str) -> Message:
    messages = parse_messages(document[key], where=key)
    if len(messages) != 1:
        raise LineError(f'"{key}" holds {len(messages)} messages. Write one, of the assistant.')
    if messages[0].role != "assistant":
        raise LineError(f'{key}[0].role is "{messages[0].role}". Write "assistant".')
    if not messages[0].weight:
        raise LineError(f"{key}[0].weight=0: an output that does not count. Remove the weight, or the line.")
    return messages[0]
