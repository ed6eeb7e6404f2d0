"""How close sentences are to a question in meaning, by the embedder that filled the stores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from tunesmith.engines.protocols import QueryEmbedder


class Meaning:
    """Compares one question with sentences; what has been embedded once is not embedded again.

    Args:
        embedder: makes the vectors.
        question: what the sentences are compared with.
    """

    def __init__(self, embedder: QueryEmbedder, question: str) -> None:
        self._embedder = embedder
        self._question = question
        self._vectors: dict[str, list[float]] = {}

    def closeness(self, sentences: Sequence[str]) -> list[float]:
        """Compare.

        Args:
            sentences: of the sources; may be empty.

        Returns:
            One cosine a sentence, 0 where it is negative.

        Raises:
            UnavailableError: the embedder does not answer.
        """
        if not sentences:
            return []
        wanted = dict.fromkeys((self._question, *sentences))
        new = [text for text in wanted if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._embedder.embed(new), strict=True))
        asked = self._vectors[self._question]
        return [max(0.0, math.fsum(map(mul, asked, self._vectors[sentence]))) for sentence in sentences]
