"""A name for how a prompt begins: requests of one name are best read by the replica that read the first of them.

"system turn, first question"               -> 5e0c...   the first turn of a conversation
"system turn, first question, answer, ..."  -> 5e0c...   and every later one
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

KEY_HEADER = "x-session-id"
"""What Ray Serve's proxy reads a request's name from, unless `RAY_SERVE_SESSION_ID_HEADER_KEY` says otherwise."""

_CHARACTERS = 1024
"""Of a prompt that count: about the 256 tokens that OpenAI's own routing goes by."""


def prefix_key(body: Mapping[str, Any]) -> str | None:
    """Name the beginning of a request's prompt.

    What counts is the model, `prompt_cache_key`, `instructions`, and the first characters of a prompt, or of a
    conversation up to its first user turn: what comes after is another in every turn.

    Args:
        body: an OpenAI request: a chat completion, a completion, or ours to `/answer`.

    Returns:
        32 hexadecimal digits; None for a request without a prompt.
    """
    beginning = _beginning(body)
    if not beginning:
        return None
    told = (
        body.get("model"),
        body.get("prompt_cache_key"),
        body.get("instructions"),
        beginning[:_CHARACTERS],
    )
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()


def _beginning(body: Mapping[str, Any]) -> str:
    messages, prompt = body.get("messages"), body.get("prompt")
    if isinstance(messages, Sequence) and not isinstance(messages, str):
        return "".join(_opening(messages))
    if isinstance(prompt, str):
        return prompt
    return json.dumps(prompt) if prompt else ""


def _opening(messages: Sequence[Any]) -> Iterator[str]:
    for turn in messages:
        if not isinstance(turn, Mapping):
            return
        yield f"\n{turn.get('role')}: "
        yield from _texts(turn.get("content"))
        if turn.get("role") == "user":
            return


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Sequence):
        yield from (str(part.get("text", "")) for part in content if isinstance(part, Mapping))
