"""The request of `/answer`: an OpenAI chat request with the stores to answer from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tunesmith.config.serve import ContextBy, RetrievalConfig, Unsupported
from tunesmith.errors import ConfigError
from tunesmith.rag.prompt import build_messages
from tunesmith.records import Message, Source
from tunesmith.serve.applications import ENGINE
from tunesmith.stores.attribute_filter import AttributeFilter, parse_filter
from tunesmith.stores.vectors import StoreRecord


class Turn(BaseModel):
    """One turn of the conversation; fields not named here (`tool_calls`, `tool_call_id`, `name`) stay with it."""

    model_config = ConfigDict(extra="allow")
    role: str
    """`system`, `developer`, `user`, `assistant` or `tool`."""
    content: str | list[dict[str, Any]] | None = None
    """Text, or parts of which the text is read."""

    @property
    def text(self) -> str:
        """The turn's text."""
        if isinstance(self.content, list):
            return "".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class StoreBinding(BaseModel):
    """A vector store, as the gateway resolved it."""

    id: str
    name: str
    collection: str
    embedder: str
    project_id: str
    hidden: list[str] = []

    def record(self) -> StoreRecord:
        """The store as the vector store knows it."""
        return StoreRecord(
            self.id, self.project_id, self.name, self.collection, self.embedder, tuple(self.hidden)
        )


class RetrievalOverride(BaseModel):
    """What a request may say about retrieval."""

    top_k: int | None = Field(None, ge=1, le=50)
    """Sources shown to the model."""
    announce: bool = False
    """In a stream: the sources on its first chunk too, before the answer."""
    filters: dict[str, Any] | None = None
    """What must hold of a source's attributes."""
    score_threshold: float = Field(0, ge=0, le=1)
    """Hits that score less are no sources."""
    unsupported: Unsupported | None = None
    """What becomes of an answer that no source supports; unset: what the platform does."""
    context_needed: float | None = Field(None, ge=0, le=1)
    """How much of question and answer a short answer must have around it; unset: the platform's."""
    context_by: ContextBy | None = None
    """What says how much that is: the words that they share, or the meaning too; unset: the platform's."""


class AnswerRequest(BaseModel):
    """A question to be answered from documents; fields not named here go to the engine as they are."""

    model_config = ConfigDict(extra="allow")
    model: str
    messages: list[Turn] = Field(min_length=1)
    stream: bool | None = False
    n: int | None = Field(1, ge=1, le=1)
    """One answer; each would need a check of its own."""
    vector_stores: list[StoreBinding] = Field(min_length=1)
    retrieval: RetrievalOverride = RetrievalOverride()
    instructions: str | None = None
    engine: str = ENGINE
    """Application that serves the model's base."""

    @property
    def question(self) -> str:
        """The last user turn.

        Raises:
            ConfigError: there is none, or it is empty.
        """
        questions = [turn.text for turn in self.messages if turn.role == "user"]
        if not questions or not questions[-1].strip():
            raise ConfigError("messages holds no question. Add a user turn with a text.", param="messages")
        return questions[-1]

    def stores(self, embedder: str) -> list[StoreRecord]:
        """The stores to search.

        Args:
            embedder: the embedder that is served.

        Returns:
            Their records.

        Raises:
            ConfigError: a store was filled by another embedder.
        """
        return served_stores(self.vector_stores, embedder)

    @property
    def only(self) -> AttributeFilter | None:
        """What must hold of a source's attributes.

        Raises:
            ConfigError: the filter is wrong.
        """
        return parse_filter(self.retrieval.filters) if self.retrieval.filters else None

    def limits(self, defaults: RetrievalConfig) -> RetrievalConfig:
        """How sources are found for this request, and what becomes of an answer that none supports.

        Args:
            defaults: the platform's.

        Returns:
            The defaults with what the request says.
        """
        asked = self.retrieval.model_dump(include=set(RetrievalConfig.model_fields), exclude_none=True)
        return defaults.model_copy(update=asked)

    def engine_body(self, sources: tuple[Source, ...]) -> dict[str, Any]:
        """The request to the engine: instructions, earlier turns, the question with its sources, what came of it.

        The turns around the question stay as they are: calls of tools and their results too, which a program
        sends behind the question that they belong to. System turns are left out: `instructions` stand for them.

        Args:
            sources: what retrieval found.

        Returns:
            An OpenAI chat request.
        """
        system, user = build_messages(self.question, sources, instructions=self.instructions)
        asked = max(index for index, turn in enumerate(self.messages) if turn.role == "user")
        earlier, later = self.messages[:asked], self.messages[asked + 1 :]
        return {
            **(self.model_extra or {}),
            "model": self.model,
            "messages": [_to_json(system), *_as_sent(earlier), _to_json(user), *_as_sent(later)],
            "stream": bool(self.stream),
        }


def served_stores(bindings: Sequence[StoreBinding], embedder: str) -> list[StoreRecord]:
    """The stores to search.

    Args:
        bindings: as the gateway resolved them.
        embedder: the embedder that is served.

    Returns:
        Their records.

    Raises:
        ConfigError: a store was filled by another embedder.
    """
    for store in bindings:
        if store.embedder != embedder:
            raise ConfigError(
                f'Store "{store.name}" was filled by embedder "{store.embedder}", but "{embedder}" is served. '
                f"Start the platform with that embedder, or ingest into a new store.",
                param="vector_stores",
            )
    return [store.record() for store in bindings]


def _as_sent(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    kept = [turn for turn in turns if turn.role not in ("system", "developer")]
    return [turn.model_dump(exclude_unset=True) for turn in kept]


def _to_json(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}
