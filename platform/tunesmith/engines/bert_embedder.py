"""A BERT sentence embedder on torch and tokenizers alone.

sentence-transformers takes 10 s of CPU to load (transformers, scikit-learn and SymPy come along) and 300 MiB more.
The forward pass of a BERT is short; a test holds the vectors against sentence-transformers' own.
docs/decisions/0011-an-embedder-of-our-own.md has the measurement, `tests/bench/bench_embedder.py` repeats it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from tunesmith.engines.bert_workers import BertWorkers

_BATCH_TOKENS = 2048
"""Tokens of a batch, padding included: small batches of like lengths stay in the cache of a CPU core."""
_MARKS = 2
"""[CLS] and [SEP] around each text."""


class BertEmbedder:
    """A BERT with mean pooling and unit length, as sentence-transformers saves it.

    Args:
        name: the name it was asked for by.
        folder: `config.json`, `tokenizer.json`, `model.safetensors` and `sentence_bert_config.json`.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        limits = folder / "sentence_bert_config.json"
        window = (
            json.loads(limits.read_text(encoding="utf-8"))["max_seq_length"] if limits.is_file() else None
        )
        self._window: int = min(window or 512, self._config["max_position_embeddings"])
        self._loading = threading.Lock()

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._config["hidden_size"])

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read."""
        return self._window - _MARKS

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts, those of like length together.

        Args:
            texts: any texts; what exceeds `max_tokens` is cut off.

        Returns:
            Unit vectors, (len(texts), dimensions).
        """
        tokens = [encoding.ids for encoding in self._truncating.encode_batch(list(texts))]
        batches = list(batches_by_length([len(ids) for ids in tokens], budget=_BATCH_TOKENS))
        vectors: list[list[float]] = [[]] * len(tokens)
        embedded = self._workers().embed([[tokens[row] for row in rows] for rows in batches])
        for rows, batch in zip(batches, embedded, strict=True):
            for row, vector in zip(rows, batch, strict=True):
                vectors[row] = vector
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count WordPiece tokens, without [CLS] and [SEP].

        Args:
            texts: any texts.

        Returns:
            One count a text.
        """
        return [
            len(encoding.ids)
            for encoding in self._counting.encode_batch(list(texts), add_special_tokens=False)
        ]

    @cached_property
    def _counting(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _truncating(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._window)
        return tokenizer

    def _workers(self) -> BertWorkers:
        with self._loading:
            return self._loaded

    @cached_property
    def _loaded(self) -> BertWorkers:
        from tunesmith.engines.bert_workers import BertWorkers

        return BertWorkers(self._folder, self._config)


def batches_by_length(lengths: Sequence[int], *, budget: int) -> Iterator[list[int]]:
    """Group texts of like length, so that little is padded.

    With a budget of 12 and lengths 2, 6, 3, 5 (`.` is padding):

        batch 1  rows 1, 3    [x x x x x x]    batch 2  rows 2, 0    [x x x]
                              [x x x x x .]                          [x x .]

    Args:
        lengths: tokens of each text.
        budget: tokens of a batch, padding included; a single longer text is a batch of its own.

    Yields:
        Indices of the texts of one batch, longest first.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
