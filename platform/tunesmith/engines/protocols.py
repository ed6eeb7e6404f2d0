"""What the rest of the platform asks of an engine. Loads no engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class QueryEmbedder(Protocol):
    """What asking a question takes of an embedder; a served one offers no more."""

    @property
    def name(self) -> str:
        """The name it was asked for by; a store remembers it."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts; see Embedder.embed."""


class Embedder(QueryEmbedder, Protocol):
    """Turns texts into unit vectors whose dot product says how close they are in meaning."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read; what comes after them is ignored."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts.

        Args:
            texts: any texts, in any order; may be empty.

        Returns:
            One vector of length 1 a text, (len(texts), dimensions), in the order of the texts.
        """

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count tokens as the embedder cuts them, without the marks it puts around a text.

        Args:
            texts: any texts.

        Returns:
            One count a text; never cut off at `max_tokens`.
        """
