"""The parts of a response's output while they are made: a search, a message, the call of a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunesmith.gateway.responses.items import Item
from tunesmith.stores.documents import document_file_id, document_filename
from tunesmith.stores.vectors import StoreRecord


@dataclass(eq=False, slots=True)
class Search:
    """A file search.

    Attributes:
        id: `fs_...`.
        query: what is searched for.
        stores: what is searched, by id.
        sources: what was found, as the answer application renders it; None while it is not known.
    """

    id: str
    query: str
    stores: Mapping[str, StoreRecord]
    sources: Sequence[Mapping[str, Any]] | None = None

    def found(self, sources: Sequence[Mapping[str, Any]]) -> None:
        """Note what was found.

        Args:
            sources: in prompt order.
        """
        self.sources = sources

    def item(self) -> Item:
        """The output item, with its results.

        Returns:
            The JSON object.
        """
        done = self.sources is not None
        return {
            "id": self.id,
            "type": "file_search_call",
            "status": "completed" if done else "in_progress",
            "queries": [self.query],
            "results": [self._result(source) for source in self.sources]
            if self.sources is not None
            else None,
        }

    def annotations(self, sentences: Sequence[Mapping[str, Any]]) -> list[Item]:
        """Cite the documents of an answer's sentences.

        Args:
            sentences: the answer, taken apart and checked by the answer application.

        Returns:
            File citations in the order of the text; `index` is the character at which the cited sentence ends. A
            document that a sentence cites twice is named once.
        """
        sources = {source["number"]: source for source in self.sources or ()}
        cited = [
            (self._named(sources[citation["number"]]), sentence["end"])
            for sentence in sentences
            for citation in sentence["citations"]
        ]
        once = [one for place, one in enumerate(cited) if one not in cited[:place]]
        return [{"type": "file_citation", **named, "index": end} for named, end in once]

    def _result(self, source: Mapping[str, Any]) -> Item:
        shown = {name: source[name] for name in ("score", "text", "attributes")}
        return self._named(source) | shown

    def _named(self, source: Mapping[str, Any]) -> Item:
        file_id = document_file_id(self.stores[source["store_id"]], source["document"])
        return {"file_id": file_id, "filename": document_filename(source["document"])}


@dataclass(eq=False, slots=True)
class Message:
    """What the assistant says.

    Attributes:
        id: `msg_...`.
        text: so far, the engine's tokens unchanged.
        logprobs: of the tokens, where they were asked for.
        annotations: the checked citations; known at the end.
        status: `in_progress`, `completed` or `incomplete`.
    """

    id: str
    text: str = ""
    logprobs: list[Item] = field(default_factory=list)
    annotations: list[Item] = field(default_factory=list)
    status: str = "in_progress"

    def say(self, text: str, logprobs: Sequence[Mapping[str, Any]]) -> list[Item]:
        """Add to the text.

        Args:
            text: what is said next.
            logprobs: of its tokens, as chat completions show them.

        Returns:
            The same log probabilities, as responses show them.
        """
        added = [
            _logprob(token) | {"top_logprobs": list(map(_logprob, token["top_logprobs"]))}
            for token in logprobs
        ]
        self.text += text
        self.logprobs += added
        return added

    def part(self) -> Item:
        """The one part of its content.

        Returns:
            The JSON object.
        """
        return {
            "type": "output_text",
            "text": self.text,
            "annotations": list(self.annotations),
            "logprobs": list(self.logprobs),
        }

    def item(self) -> Item:
        """The output item.

        Returns:
            The JSON object.
        """
        return {
            "id": self.id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": [self.part()],
        }


@dataclass(eq=False, slots=True)
class Call:
    """The call of a function.

    Attributes:
        id: `fc_...`.
        call_id: names the call to its result.
        name: the function.
        arguments: JSON, so far.
        status: `in_progress`, `completed` or `incomplete`.
    """

    id: str
    call_id: str
    name: str
    arguments: str = ""
    status: str = "in_progress"

    def item(self) -> Item:
        """The output item.

        Returns:
            The JSON object.
        """
        return {
            "id": self.id,
            "type": "function_call",
            "status": self.status,
            "call_id": self.call_id,
            "name": self.name,
            "arguments": self.arguments,
        }


def _logprob(token: Mapping[str, Any]) -> Item:
    told = token.get("bytes")
    return {
        "token": token["token"],
        "logprob": token["logprob"],
        "bytes": list(token["token"].encode()) if told is None else told,
    }
