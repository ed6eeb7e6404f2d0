"""What a chunk is found by: its own text under the title and the headings it stands under."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunesmith.records import Chunk, Document

CONTEXT_VERSION = 1
"""Rises when `search_texts` writes something else."""

_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
_MAX_LETTERS = 300


def search_texts(document: Document, chunks: Sequence[Chunk]) -> list[str]:
    """Write what is embedded and what BM25 sees of each chunk.

    A chunk from the middle of a section says "Those on shifts get 30." and nothing of leave:

        Annual leave > Shift workers
        Those on shifts get 30.

    Args:
        document: the document.
        chunks: its chunks, in order.

    Returns:
        One text a chunk: title and open headings on one line, then the chunk.
    """
    headings = [
        (match.start(), len(match[1]), match[2].strip()) for match in _HEADING.finditer(document.text)
    ]
    return [f"{_above(document.title, headings, chunk)}\n{chunk.text}" for chunk in chunks]


def _above(title: str, headings: Sequence[tuple[int, int, str]], chunk: Chunk) -> str:
    own = _HEADING.match(chunk.text)
    open_headings: list[tuple[int, str]] = []
    for start, level, text in headings:
        if start >= chunk.start:
            break
        open_headings = [*_below(open_headings, level), (level, text)]
    if own:
        open_headings = _below(open_headings, len(own[1]))
    names = [title, *(text for _, text in open_headings)]
    return " > ".join(dict.fromkeys(names))[:_MAX_LETTERS]


def _below(open_headings: list[tuple[int, str]], level: int) -> list[tuple[int, str]]:
    return [(other, text) for other, text in open_headings if other < level]
