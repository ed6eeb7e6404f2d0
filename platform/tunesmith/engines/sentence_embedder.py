"""Any sentence-transformers model, by folder or Hugging Face name."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tunesmith.errors import ModelNotFoundError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_MARKS = 2


class SentenceTransformerEmbedder:
    """An embedder that sentence-transformers loads: safetensors only, and no code from the model's folder.

    Args:
        name: the name it was asked for by.
        source: a folder or a Hugging Face name.
    """

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self._source = source
        self._loading = threading.Lock()

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._model().get_embedding_dimension() or 0)

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read."""
        return int(self._model().max_seq_length or 512) - _MARKS

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts.

        Args:
            texts: any texts.

        Returns:
            Unit vectors, (len(texts), dimensions).
        """
        if not texts:
            return []
        vectors = self._model().encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        result: list[list[float]] = vectors.tolist()
        return result

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count tokens of the model's own tokenizer, without special ones.

        Args:
            texts: any texts.

        Returns:
            One count a text.
        """
        if not texts:
            return []
        encoded = self._model().tokenizer(
            list(texts), add_special_tokens=False, truncation=False, verbose=False
        )
        return [len(ids) for ids in encoded["input_ids"]]

    def _model(self) -> SentenceTransformer:
        with self._loading:
            return self._loaded

    @cached_property
    def _loaded(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer

        try:
            return SentenceTransformer(
                self._source, trust_remote_code=False, model_kwargs={"use_safetensors": True}
            )
        except (OSError, ValueError) as error:
            raise ModelNotFoundError(
                f'Embedder "{self.name}" is neither shipped (all-MiniLM-L6-v2), nor a folder with a '
                "sentence-transformers model in safetensors, nor a Hugging Face name that can be fetched "
                "here. Check the spelling, or give a folder.",
                param="embedder",
            ) from error
