"""Answers that are kept because the request says `store: true`: what feedback is given on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from tunesmith.rag.prompt import build_messages
from tunesmith.records import Chunk, Hit, Message, Source
from tunesmith.stores.feedback import Interaction


class Transcript:
    """Notes one answer while it passes.

    Args:
        asked: the name that was asked.
        answered_by: what stood behind it.
        question: the last user turn, for which sources were sought.
        instructions: the system turn beside sources.
        messages: the conversation as sent to the engine.
    """

    def __init__(
        self,
        *,
        asked: str,
        answered_by: str,
        question: str,
        instructions: str | None,
        messages: Sequence[Mapping[str, Any]],
    ) -> None:
        self._asked = asked
        self._answered_by = answered_by
        self._question = question
        self._instructions = instructions
        self._messages = messages
        self._id, self._created = "", 0
        self._said: list[str] = []
        self._sources: Sequence[Mapping[str, Any]] | None = None

    def note(self, chunk: Mapping[str, Any]) -> None:
        """Take in a whole answer, or one chunk of a stream.

        Args:
            chunk: a chat completion, or a chunk of one.
        """
        self._id, self._created = chunk.get("id") or self._id, chunk.get("created") or self._created
        for choice in chunk.get("choices", ()):
            if choice["index"] == 0:
                said = choice.get("message") or choice.get("delta") or {}
                self._said.append(said.get("content") or "")
        told = chunk.get("tunesmith") or {}
        self._sources = told.get("sources", self._sources)

    def interaction(self) -> Interaction:
        """What was noted, with the prompt as the model saw it."""
        return Interaction(
            id=self._id,
            created_at=self._created,
            asked=self._asked,
            answered_by=self._answered_by,
            messages=self._prompt(),
            answer="".join(self._said),
        )

    def _prompt(self) -> tuple[Message, ...]:
        if self._sources is None:
            return tuple(Message(_role(turn["role"]), _text(turn.get("content"))) for turn in self._messages)
        sources = tuple(
            Source(source["number"], Hit(Chunk("", "", "", 0, 0, 0, source["text"]), 0.0, ""))
            for source in self._sources
        )
        return build_messages(self._question, sources, instructions=self._instructions)


async def noting(
    events: AsyncIterator[bytes], transcript: Transcript, done: Callable[[], Awaitable[None]]
) -> AsyncIterator[bytes]:
    """Pass a stream on and note it; what its client left is not kept.

    Args:
        events: whole events, one or more at a time.
        transcript: where to note.
        done: awaited after the last event.

    Yields:
        The events.
    """
    async for passed in events:
        for event in passed.split(b"\n\n"):
            payload = event.removeprefix(b"data:").strip()
            if payload == b"[DONE]":
                # Before the client learns that it is over: it may give feedback at once.
                await done()
            elif event.startswith(b"data:"):
                transcript.note(json.loads(payload))
        yield passed


def _role(role: str) -> Any:
    return "system" if role == "developer" else role


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content or ""
