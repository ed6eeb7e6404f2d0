"""The served embedder, for a process that embeds much and shall not hold the weights a second time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from tunesmith.engines.protocols import Embedder
from tunesmith.errors import UnavailableError

_ROUTE = "/embed/v1/embeddings"
_SLICE = 64
_SECONDS = 120.0


class HttpEmbedder:
    """Counts tokens here, and has the embedding application make the vectors.

    Args:
        local: the same embedder in this process; its weights are never read.
        client: with the data plane's address as its base URL.
    """

    def __init__(self, local: Embedder, client: httpx.Client) -> None:
        self._local = local
        self._client = client

    @property
    def name(self) -> str:
        """The name it was asked for by."""
        return self._local.name

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._local.dimensions

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read."""
        return self._local.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count tokens; see Embedder.count_tokens."""
        return self._local.count_tokens(texts)

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts, a slice to a request, so that a question waits for one slice at most.

        Args:
            texts: any texts.

        Returns:
            One unit vector a text.

        Raises:
            UnavailableError: the application does not answer, or fails.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _SLICE):
            vectors += self._embed(list(texts[start : start + _SLICE]))
        return vectors

    def _embed(self, texts: list[str]) -> list[list[float]]:
        try:
            answer = self._client.post(_ROUTE, json={"input": texts}, timeout=_SECONDS)
            answer.raise_for_status()
            entries: list[dict[str, Any]] = answer.json()["data"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise UnavailableError(
                f"The embedder {self.name} does not answer ({type(error).__name__}). `tunesmith status` says what runs."
            ) from error
        return [entry["embedding"] for entry in sorted(entries, key=lambda entry: entry["index"])]
