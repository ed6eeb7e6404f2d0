"""Writers that turn one document into one file of each supported format.

Every writer returns bytes that depend on its argument alone, so that a rebuild
is byte-identical: dates come from the edition, never from the clock.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

import docx
import fpdf

from tunesmith.assets.handbook.source import Document, Fact

COMPANY = "Halden Loom Works"
PARAGRAPH_SENTENCES = 4
LISTED_SECTION = 1
_A5_MILLIMETRES = (148, 210)
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Edition:
    """A dated issue of the handbook.

    Attributes:
        name: Folder name, such as `2026-01`.
        label: The date as printed, such as `January 2026`.
        date: The date written to file metadata.
        revised: Whether the revised sentences replace the earlier ones.
    """

    name: str
    label: str
    date: datetime
    revised: bool


@dataclass(frozen=True)
class Section:
    """A heading and the sentences under it."""

    heading: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """A document as one edition prints it, whatever the format.

    Attributes:
        path: Path inside the edition.
        title: Title of the document.
        intro: Sentence under the title.
        sections: The sections in printing order.
        edition: The edition it belongs to.
        notice: Sentence that marks the company as invented.
    """

    path: str
    title: str
    intro: str
    sections: tuple[Section, ...]
    edition: Edition
    notice: str

    @property
    def edition_line(self) -> str:
        """The line that names the edition."""
        return f"{COMPANY} handbook, edition of {self.edition.label}."


JANUARY = Edition("2026-01", "January 2026", datetime(2026, 1, 12, 9, 0, tzinfo=UTC), revised=False)
JULY = Edition("2026-07", "July 2026", datetime(2026, 7, 6, 9, 0, tzinfo=UTC), revised=True)


def make_page(document: Document, edition: Edition, notice: str) -> Page:
    """Lay a document out for one edition.

    Args:
        document: The document to print.
        edition: The edition to print it for.
        notice: Sentence that marks the company as invented.

    Returns:
        The page, ready for `render_page`.
    """
    groups: list[tuple[str, list[str]]] = []
    for fact in document.facts:
        if fact.section is not None:
            groups.append((fact.section, []))
        groups[-1][1].append(_sentence(fact, edition))
    sections = tuple(Section(heading, tuple(sentences)) for heading, sentences in groups)
    return Page(document.path, document.title, document.intro, sections, edition, notice)


def render_page(page: Page) -> bytes:
    """Render a page in the format that its path names.

    Args:
        page: The page to render.

    Returns:
        The content of the file.

    Raises:
        KeyError: If no writer exists for the suffix of the path.
    """
    return _WRITERS[page.path.rpartition(".")[2]](page)


def _sentence(fact: Fact, edition: Edition) -> str:
    return fact.revised.text if edition.revised and fact.revised else fact.text


def _paragraphs(sentences: Sequence[str]) -> list[str]:
    """Join sentences to paragraphs of nearly equal length, at most four sentences each."""
    count = -(-len(sentences) // PARAGRAPH_SENTENCES)
    size = -(-len(sentences) // count)
    return [" ".join(sentences[start : start + size]) for start in range(0, len(sentences), size)]


def _render_markdown(page: Page) -> bytes:
    lines = ["---", f'title: "{page.title}"', f"edition: {page.edition.name}"]
    lines += [f'notice: "{page.notice}"', "---", "", f"# {page.title}", "", page.intro]
    for index, section in enumerate(page.sections):
        lines += ["", f"## {section.heading}", ""]
        if index == LISTED_SECTION:
            lines += [f"- {sentence}" for sentence in section.sentences]
        else:
            lines.append("\n\n".join(_paragraphs(section.sentences)))
    lines += ["", f"*{page.edition_line}*", ""]
    return "\n".join(lines).encode()


def _render_text(page: Page) -> bytes:
    lines = [page.title.upper(), "=" * len(page.title), "", page.intro]
    for section in page.sections:
        lines += ["", section.heading, "-" * len(section.heading), ""]
        lines.append("\n\n".join(_paragraphs(section.sentences)))
    lines += ["", page.edition_line, ""]
    return "\n".join(lines).encode()


def _render_html(page: Page) -> bytes:
    links = "".join(
        f'<li><a href="#part-{index}">{escape(section.heading)}</a></li>'
        for index, section in enumerate(page.sections, start=1)
    )
    parts = "\n".join(_html_section(index, section) for index, section in enumerate(page.sections))
    text = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{escape(page.title)} | {COMPANY}</title>
<meta name="description" content="{escape(page.notice)}">
<meta name="date" content="{page.edition.date:%Y-%m-%d}">
</head>
<body>
<nav><ul>{links}</ul></nav>
<main>
<h1>{escape(page.title)}</h1>
<p>{escape(page.intro)}</p>
{parts}
</main>
<footer><p>{escape(page.edition_line)}</p></footer>
</body>
</html>
"""
    return text.encode()


def _html_section(index: int, section: Section) -> str:
    heading = f'<h2 id="part-{index + 1}">{escape(section.heading)}</h2>'
    sentences = [escape(sentence, quote=False) for sentence in section.sentences]
    if index == LISTED_SECTION and len(sentences) % 2 == 0:
        rows = "\n".join(f"<tr><td>{n}</td><td>{text}</td></tr>" for n, text in enumerate(sentences, 1))
        head = "<thead><tr><th>No.</th><th>Rule</th></tr></thead>"
        body = f"<table>\n{head}\n<tbody>\n{rows}\n</tbody>\n</table>"
    elif index == LISTED_SECTION:
        body = "<ul>\n" + "\n".join(f"<li>{text}</li>" for text in sentences) + "\n</ul>"
    else:
        body = "\n".join(f"<p>{text}</p>" for text in _paragraphs(sentences))
    return f"<section>\n{heading}\n{body}\n</section>"


def _render_pdf(page: Page) -> bytes:
    pdf = fpdf.FPDF(format=_A5_MILLIMETRES)
    pdf.set_creation_date(page.edition.date)
    pdf.set_producer("Tunesmith handbook builder")
    pdf.set_title(page.title)
    pdf.set_author(COMPANY)
    pdf.set_subject(page.notice)
    pdf.add_page()
    _pdf_block(pdf, page.title, size=18, style="B")
    _pdf_block(pdf, page.intro, size=11, style="I")
    for index, section in enumerate(page.sections):
        if index > LISTED_SECTION:
            pdf.add_page()
        _pdf_block(pdf, section.heading, size=14, style="B")
        for paragraph in _paragraphs(section.sentences):
            _pdf_block(pdf, paragraph, size=11)
    _pdf_block(pdf, page.edition_line, size=9, style="I")
    return bytes(pdf.output())


def _pdf_block(pdf: fpdf.FPDF, text: str, size: int, style: str = "") -> None:
    pdf.set_font("Helvetica", style=style, size=size)
    pdf.multi_cell(0, size * 0.5, text, align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(3)


def _render_docx(page: Page) -> bytes:
    document = docx.Document()
    properties = document.core_properties
    properties.title = page.title
    properties.author = properties.last_modified_by = COMPANY
    properties.comments = page.notice
    properties.created = properties.modified = page.edition.date
    document.add_heading(page.title, level=0)
    document.add_paragraph(page.intro)
    for section in page.sections:
        document.add_heading(section.heading, level=1)
        for paragraph in _paragraphs(section.sentences):
            document.add_paragraph(paragraph)
    document.add_paragraph(page.edition_line)
    buffer = io.BytesIO()
    document.save(buffer)
    return _with_fixed_dates(buffer.getvalue())


def _with_fixed_dates(archive: bytes) -> bytes:
    """Rewrite a zip archive so that no entry carries the time of writing."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, old.read(name))
    return target.getvalue()


_WRITERS: dict[str, Callable[[Page], bytes]] = {
    "md": _render_markdown,
    "txt": _render_text,
    "html": _render_html,
    "pdf": _render_pdf,
    "docx": _render_docx,
}
