"""Word and PowerPoint files."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import docx
from docx.table import Table
from docx.text.paragraph import Paragraph

from tunesmith.ingest.formats.archive import open_archive, parse_xml
from tunesmith.ingest.formats.reading import Reading
from tunesmith.ingest.formats.tables import render_table

_SLIDE = re.compile(r"ppt/slides/slide(\d+)\.xml")
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def read_docx(data: bytes) -> Reading:
    """Read a Word file: paragraphs, headings, lists and tables in order; no headers, footers and comments.

    Args:
        data: the file.

    Returns:
        Its text and the title in its properties.

    Raises:
        DocumentError: it is damaged, locked or too large.
    """
    open_archive(data)
    document = docx.Document(io.BytesIO(data))
    blocks = [
        _paragraph(block) if isinstance(block, Paragraph) else _table(block)
        for block in document.iter_inner_content()
    ]
    return Reading("".join(blocks), document.core_properties.title or None)


def _paragraph(paragraph: Paragraph) -> str:
    text = " ".join(paragraph.text.split())
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    if not text:
        return "\n"
    if style == "Title" or style.startswith("Heading"):
        # The document's title stands above its headings.
        level = int(style[-1]) + 1 if style[-1:].isdigit() else 1
        return f"\n\n{'#' * min(level, 6)} {text}\n\n"
    if style.startswith("List") or _is_numbered(paragraph):
        return f"\n- {text}"
    return f"\n\n{text}\n"


def _is_numbered(paragraph: Paragraph) -> bool:
    properties = paragraph._p.pPr
    return properties is not None and properties.numPr is not None


def _table(table: Table) -> str:
    rows = [[cell.text for cell in _distinct(row.cells)] for row in table.rows]
    return f"\n\n{render_table(rows, header=len(table.columns) > 2 or _has_header(table))}\n\n"


def _has_header(table: Table) -> bool:
    # Two columns are key and value unless Word says that the first row is a header, or it stands out in bold.
    first = table.rows[0]
    marked = (
        first._tr.trPr is not None and first._tr.trPr.find(f"{{{first._tr.nsmap['w']}}}tblHeader") is not None
    )
    runs = [
        run
        for cell in first.cells
        for paragraph in cell.paragraphs
        for run in paragraph.runs
        if run.text.strip()
    ]
    return marked or (bool(runs) and all(run.bold for run in runs))


def _distinct(cells: tuple[Any, ...]) -> Iterator[Any]:
    # A merged cell is given once for each column that it spans.
    previous = None
    for cell in cells:
        if cell._tc is not previous:
            yield cell
        previous = cell._tc


def read_pptx(data: bytes) -> Reading:
    """Read a PowerPoint file, slide by slide; each slide's first paragraph is its heading.

    Args:
        data: the file.

    Returns:
        Its text.

    Raises:
        DocumentError: it is damaged, locked or too large.
    """
    archive = open_archive(data)
    numbers = sorted(int(match[1]) for name in archive.namelist() if (match := _SLIDE.fullmatch(name)))
    slides = [_slide(archive.read(f"ppt/slides/slide{number}.xml")) for number in numbers]
    return Reading("\n\n".join(slide for slide in slides if slide))


def _slide(data: bytes) -> str:
    paragraphs = parse_xml(data).iter(f"{_DRAWING}p")
    lines = ["".join(run.text or "" for run in paragraph.iter(f"{_DRAWING}t")) for paragraph in paragraphs]
    heading, *rest = [" ".join(line.split()) for line in lines if line.strip()] or [""]
    return f"# {heading}\n\n" + "\n".join(f"- {line}" for line in rest) if heading else ""
