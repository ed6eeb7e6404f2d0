from __future__ import annotations

import io

import fpdf
import pypdf
import pytest

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.pdf import read_pdf


def printed(*pages: list[tuple[str, int]], title: str = "") -> bytes:
    made = fpdf.FPDF()
    for page in pages:
        made.add_page()
        for text, size in page:
            made.set_font("Helvetica", size=size)
            made.multi_cell(0, None, text, new_x="LMARGIN", new_y="NEXT")
    if title:
        made.set_title(title)
    return bytes(made.output())


def test_headings_and_paragraphs_are_told_apart() -> None:
    long = (
        "The warranty on a Merrow 40 runs for 36 months from the day of installation at the buyer's own works. "
        * 3
    )
    data = printed(
        [("Warranty", 18), ("Length", 14), (long, 11)], [("Returns", 14), ("Send parts back.", 11)]
    )
    assert (
        read_pdf(data).text == f"# Warranty\n\n## Length\n\n{long.strip()}\n\n## Returns\n\nSend parts back."
    )


def test_the_title_is_the_properties_unless_that_is_a_placeholder() -> None:
    page = [("Warranty", 18), ("It runs for 36 months.", 11)]
    assert read_pdf(printed(page, title="Guarantees")).title == "Guarantees"
    for placeholder in ("untitled", "(anonymous)", "Microsoft Word - x", "final.docx", "  "):
        assert read_pdf(printed(page, title=placeholder)).title == "Warranty"


def test_a_locked_file_is_told() -> None:
    writer = pypdf.PdfWriter(io.BytesIO(printed([("Secret text", 11)])))
    writer.encrypt("user", "owner", algorithm="AES-256")
    data = io.BytesIO()
    writer.write(data)
    with pytest.raises(DocumentError, match="protected by a password"):
        read_pdf(data.getvalue())


def test_a_file_that_only_forbids_printing_is_read() -> None:
    writer = pypdf.PdfWriter(io.BytesIO(printed([("Open text to read", 11)])))
    writer.encrypt("", "owner", algorithm="AES-256")
    data = io.BytesIO()
    writer.write(data)
    assert read_pdf(data.getvalue()).text == "Open text to read"


def test_pages_without_text_are_a_scan() -> None:
    with pytest.raises(DocumentError, match="has 2 pages without a text layer"):
        read_pdf(printed([], []))
