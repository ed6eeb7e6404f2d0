from __future__ import annotations

import io
import zipfile

import docx
import pytest

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.archive import open_archive
from tunesmith.ingest.formats.epub import read_epub
from tunesmith.ingest.formats.office import read_docx, read_pptx
from tunesmith.ingest.normalise import normalise

DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"


def archive(files: dict[str, str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return data.getvalue()


def word_file() -> bytes:
    document = docx.Document()
    document.core_properties.title = "Pension"
    document.add_heading("Pension", 0)
    document.add_heading("Shares", 1)
    document.add_paragraph("The company pays\xa06 per cent.")
    document.add_paragraph("First", style="List Bullet")
    document.add_paragraph("Second", style="List Number")
    table = document.add_table(2, 3)
    for cell, text in zip(
        [c for row in table.rows for c in row.cells], ["Age", "Years", "Share", "30", "5", "6"], strict=True
    ):
        cell.text = text
    document.sections[0].header.paragraphs[0].text = "Confidential"
    data = io.BytesIO()
    document.save(data)
    return data.getvalue()


def test_a_word_file_is_read_in_order() -> None:
    reading = read_docx(word_file())
    assert reading.title == "Pension"
    assert normalise(reading.text) == (
        "# Pension\n\n## Shares\n\nThe company pays 6 per cent.\n\n- First\n- Second\n\n- Age: 30; Years: 5; Share: 6"
    )


def test_slides_are_read_in_their_order() -> None:
    shape = f'<s xmlns:a="{DRAWING}">{{}}</s>'
    slides = {
        f"ppt/slides/slide{number}.xml": shape.format(
            f"<a:p><a:r><a:t>Slide {number}</a:t></a:r></a:p><a:p><a:r><a:t>say</a:t></a:r></a:p>"
        )
        for number in (10, 2, 1)
    }
    assert (
        read_pptx(archive(slides)).text == "# Slide 1\n\n- say\n\n# Slide 2\n\n- say\n\n# Slide 10\n\n- say"
    )


def test_a_book_is_read_in_reading_order() -> None:
    files = {
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OEBPS/b.opf"/></rootfiles></container>',
        "OEBPS/b.opf": (
            '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>The Book</dc:title></metadata>'
            '<manifest><item id="two" href="t%20wo.xhtml"/><item id="one" href="one.xhtml"/></manifest>'
            '<spine><itemref idref="one"/><itemref idref="two"/></spine></package>'
        ),
        "OEBPS/one.xhtml": '<?xml version="1.0"?><html><body><p>First.</p></body></html>',
        "OEBPS/t wo.xhtml": "<html><body><p>Second.</p></body></html>",
    }
    reading = read_epub(archive(files))
    assert reading.title == "The Book"
    assert normalise(reading.text) == "First.\n\nSecond."


def test_entities_of_xml_are_not_followed() -> None:
    entity = '<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    bomb = f'{entity}<s xmlns:a="{DRAWING}"><a:p><a:t>Title &x;</a:t></a:p></s>'
    assert "root:" not in read_pptx(archive({"ppt/slides/slide1.xml": bomb})).text


def test_an_archive_that_unpacks_to_too_much_is_refused() -> None:
    data = io.BytesIO()
    with (
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as made,
        made.open("word/document.xml", "w") as entry,
    ):
        for _ in range(600):
            entry.write(bytes(2**20))
    assert len(data.getvalue()) < 2**20
    with pytest.raises(DocumentError, match="unpacks to 600 MiB"):
        open_archive(data.getvalue())


def test_a_locked_office_file_is_told() -> None:
    with pytest.raises(DocumentError, match="protected by a password"):
        read_docx(b"\xd0\xcf\x11\xe0" + bytes(600))
