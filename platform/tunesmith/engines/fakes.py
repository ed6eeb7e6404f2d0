"""Engines without weights, for tests of what surrounds an engine: deterministic and fast."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+|[^\w\s]")


class HashingEmbedder:
    """An embedder that hashes words into buckets: texts that share words are close, and nothing else.

    Args:
        name: its name.
        dimensions: number of buckets.
        max_tokens: tokens it says it reads.
    """

    def __init__(self, *, name: str = "hashing", dimensions: int = 64, max_tokens: int = 254) -> None:
        self.name = name
        self.dimensions = dimensions
        self.max_tokens = max_tokens
        self.texts_embedded = 0

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts by their words.

        Args:
            texts: any texts.

        Returns:
            Unit vectors, (len(texts), dimensions).
        """
        self.texts_embedded += len(texts)
        return [self._embed_one(text) for text in texts]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count words and signs.

        Args:
            texts: any texts.

        Returns:
            One count a text.
        """
        return [len(_WORD.findall(text)) for text in texts]

    def _embed_one(self, text: str) -> list[float]:
        # A small constant keeps a text without words away from the zero vector, which has no direction.
        vector = [1e-3] * self.dimensions
        for word in _WORD.findall(text.lower()):
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % self.dimensions] += 1.0
        length = math.sqrt(sum(value * value for value in vector))
        return [value / length for value in vector]
