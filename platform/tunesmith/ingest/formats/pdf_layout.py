"""From the lines of a PDF's pages to headings and paragraphs, as if there were no pages and no lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_PAGE_NUMBER = re.compile(r"(?:page\s*)?\d{1,4}(?:\s*(?:/|of)\s*\d{1,4})?", re.IGNORECASE)
_BULLET = re.compile(r"^[•◦▪‣●○■–·]\s*")
_ITEM = re.compile(r"^(?:- |\d{1,3}[.)]\s)")
_HEADING_SIZE = 1.1
"""Letters this much larger than those of the body make a heading."""
_MAX_HEADING = 120
_FULL_LINE = 0.7
"""A line shorter than this share of the longest ends its paragraph, unless the next goes on in lower case."""
_HYPHENATED_NAMES = """
    self non all ex co full part half long short high low well on off twenty thirty forty fifty sixty seventy
    eighty ninety one two three four five six seven eight nine ten first second third
"""
_HYPHENATED = frozenset(_HYPHENATED_NAMES.split())
"""First parts of words that are written with a hyphen anyway: twenty-seven, part-time."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is printed: its text, not empty, and the size of its letters in points."""

    text: str
    size: float


def join_pages(pages: Sequence[Sequence[Line]]) -> str:
    """Join the lines of pages into headings and paragraphs.

        page 1   Annual leave      (16 pt)        # Annual leave
                 Full-time staff get a gene-
                 rous twenty-                     Full-time staff get a generous twenty-seven days a
                 3 of 9                    ->     year.
        page 2   seven days a year.
                 Requests          (13 pt)        ## Requests
                 Ask your team lead.
                                                  Ask your team lead.

    Args:
        pages: the lines of each page.

    Returns:
        Paragraphs and headings with a blank line between them; repeated headers, footers and page
        numbers are gone.
    """
    repeated = _repeated(pages)
    kept = [line for page in pages for line in page if not _is_furniture(line, page, repeated)]
    lines = [Line(_BULLET.sub("- ", line.text), line.size) for line in kept]
    body, top = _body_size(lines), max((line.size for line in lines), default=0.0)
    longest = max((len(line.text) for line in lines), default=0)
    text = ""
    for number, line in enumerate(lines):
        above = lines[number - 1] if number else None
        mark = _heading_mark(line, body, top)
        if above is None:
            text = mark + line.text
        elif above.size != line.size:
            text += f"\n\n{mark}{line.text}"
        elif mark:
            wrapped = len(above.text) >= _FULL_LINE * longest
            text += f" {line.text}" if wrapped else f"\n\n{mark}{line.text}"
        else:
            text = _append(text, above.text, line.text, longest)
    return text


def _heading_mark(line: Line, body: float, top: float) -> str:
    if line.size < _HEADING_SIZE * body or len(line.text) > _MAX_HEADING:
        return ""
    return "# " if line.size == top else "## "


def _body_size(lines: Sequence[Line]) -> float:
    letters: Counter[float] = Counter()
    for line in lines:
        letters[line.size] += len(line.text)
    return letters.most_common(1)[0][0] if letters else 0.0


def _append(text: str, above: str, below: str, longest: int) -> str:
    if _is_broken_word(above, below):
        return (text if _keeps_hyphen(above) else text[:-1]) + below
    if _ITEM.match(below):
        return f"{text}\n{below}"
    ends = len(above) < _FULL_LINE * longest and not below[0].islower()
    return f"{text}\n\n{below}" if ends else f"{text} {below}"


def _is_broken_word(above: str, below: str) -> bool:
    return len(above) > 1 and above[-1] == "-" and above[-2].isalpha() and below[0].islower()


def _keeps_hyphen(above: str) -> bool:
    # Of other compounds than these the end of a line tells nothing: "exam-" / "ple" is far more common.
    word = above.rsplit(None, 1)[-1].rstrip("-").lower()
    return "-" in word or word in _HYPHENATED


def _repeated(pages: Sequence[Sequence[Line]]) -> frozenset[str]:
    """Shapes of first and last lines that stand on at least half of three or more pages."""
    if len(pages) < 3:
        return frozenset()
    edges = Counter(shape for page in pages for shape in {_shape(line) for line in (*page[:1], *page[-1:])})
    return frozenset(shape for shape, count in edges.items() if count * 2 >= len(pages) and count > 2)


def _is_furniture(line: Line, page: Sequence[Line], repeated: frozenset[str]) -> bool:
    at_edge = line is page[0] or line is page[-1]
    return at_edge and (_shape(line) in repeated or _PAGE_NUMBER.fullmatch(line.text) is not None)


def _shape(line: Line) -> str:
    return re.sub(r"\d+", "0", line.text)
