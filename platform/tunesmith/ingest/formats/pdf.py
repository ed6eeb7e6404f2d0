"""PDF: the text layer, line by line with its letter size."""

from __future__ import annotations

import io
import logging
import re
from typing import Any

from pypdf import PageObject, PdfReader

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.pdf_layout import Line, join_pages
from tunesmith.ingest.formats.reading import Reading

_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_MIN_LETTERS_PER_PAGE = 4
_MAX_TITLE = 80
# What programs put where a title should be: placeholders and file names.
_NO_TITLE = re.compile(
    r"(?:untitled|\(?anonymous\)?|\(?unspecified\)?|document\d*|microsoft word - .*|.*\.\w{2,5})?",
    re.IGNORECASE,
)


def read_pdf(data: bytes) -> Reading:
    """Read a PDF's text layer.

    Args:
        data: the file.

    Returns:
        Its text, words that were broken at the end of a line or page whole again, and its title.

    Raises:
        DocumentError: it is locked by a password, or has no text layer (a scan).
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise DocumentError("is protected by a password. Save a copy without one")
    pages = [_lines(page) for page in reader.pages]
    text = join_pages(pages)
    if len(text) < max(1, _MIN_LETTERS_PER_PAGE * len(pages)):
        raise DocumentError(
            f"has {len(pages)} pages without a text layer (a scan?). Run it through OCR first"
        )
    return Reading(text, _title(reader.metadata.title if reader.metadata else None, text))


def _lines(page: PageObject) -> list[Line]:
    pieces: list[tuple[str, float]] = []

    def visit(text: str, matrix: list[float], text_matrix: list[float], _font: Any, size: float) -> None:
        scale = abs(text_matrix[3] or text_matrix[1]) * abs(matrix[3] or matrix[1])
        pieces.append((text, round(size * scale, 1)))

    page.extract_text(visitor_text=visit)
    lines: list[list[tuple[str, float]]] = [[]]
    for text, size in pieces:
        first, *rest = text.translate(_LIGATURES).split("\n")
        lines[-1].append((first, size))
        lines.extend([(part, size)] for part in rest)
    return [line for line in map(_line, lines) if line.text]


def _line(pieces: list[tuple[str, float]]) -> Line:
    text = " ".join("".join(text for text, _ in pieces).split())
    # The size of most of its letters: a footnote's mark does not make a line small.
    size = max(pieces, key=lambda piece: len(piece[0].strip()))[1] if pieces else 0.0
    return Line(text, size)


def _title(said: str | None, text: str) -> str | None:
    if said and not _NO_TITLE.fullmatch(said.strip()):
        return said.strip()
    first = text.partition("\n")[0].lstrip("# ")
    return first if first and len(first) <= _MAX_TITLE and first[-1] not in ".:;,!?" else None
