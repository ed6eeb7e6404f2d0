"""Where sentences begin and end: sources are numbered, answers checked and documents cut by them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ABBREVIATIONS = (
    "e.g",
    "i.e",
    "etc",
    "approx",
    "no",
    "nos",
    "mr",
    "mrs",
    "ms",
    "dr",
    "st",
    "vs",
    "fig",
    "cf",
    "inc",
    "ltd",
)
# A sentence ends at . ! or ? (with closing quotes or brackets), before white space and something that
# can open a sentence; a line break ends one too where the line before is a heading or a list item.
_END = re.compile(
    r"""[.!?]["')\]]*(?=\s+["'(\[]?[A-Z0-9])|[。！？]|\n\s*\n|\n(?=\s*(?:[-*+•]|\d+[.)]|\#{1,6}|\|)\s)"""
)

_LOOK_BACK = 32
"""Letters before a full stop among which an abbreviation is looked for."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text: `text == whole[start:end]`, without white space at its ends."""

    start: int
    end: int
    text: str


def split_sentences(text: str) -> list[Span]:
    """Cut a text into sentences; headings and list items stand alone.

    Args:
        text: any text.

    Returns:
        The sentences in order, with their offsets; nothing but white space lies between them.
    """
    spans, start = [], 0
    for end in (*_ends(text), len(text)):
        span = _trim(text, start, end)
        if span.text:
            spans.append(span)
        start = end
    return spans


def _ends(text: str) -> list[int]:
    return [match.end() for match in _END.finditer(text) if not _is_abbreviation(text, match)]


def _is_abbreviation(text: str, match: re.Match[str]) -> bool:
    if not match.group().startswith("."):
        return False
    # A short look back: over the whole text before it, each full stop would cost as much as all before it.
    word = re.search(r"[\w.]*$", text[max(0, match.start() - _LOOK_BACK) : match.start()])
    token = word.group().lower() if word else ""
    # A lone capital is an initial ("J. Smith"); a lone digit opens a numbered item ("1. Switch it off").
    line_start = text.rfind("\n", 0, match.start()) + 1
    opens_item = token.isdigit() and not text[line_start : match.start() - len(token)].strip()
    return token in _ABBREVIATIONS or opens_item or (len(token) == 1 and token.isalpha())


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    stripped = piece.strip()
    return Span(start + left, start + left + len(stripped), stripped)
