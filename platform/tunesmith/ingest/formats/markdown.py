"""Markdown (CommonMark with tables) and notebooks, by way of the HTML they stand for."""

from __future__ import annotations

import json
import re

import yaml
from markdown_it import MarkdownIt

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.decoding import decode
from tunesmith.ingest.formats.html import read_markup
from tunesmith.ingest.formats.reading import Reading

_FRONT_MATTER = re.compile(r"\A\ufeff?(---|\+\+\+)[ \t]*\r?\n(.*?)\r?\n\1[ \t]*(?:\r?\n|\Z)", re.DOTALL)


def read_markdown(data: bytes) -> Reading:
    """Read Markdown without its front matter and mark-up; headings and list items stay marked.

    Args:
        data: the file.

    Returns:
        Its text; the title is the front matter's, else the first heading.

    Raises:
        DocumentError: it is no text.
    """
    text = decode(data)
    front = _FRONT_MATTER.match(text)
    reading = _render(text[front.end() :] if front else text)
    title = _front_title(front[2]) if front else None
    return Reading(reading.text, title or reading.title)


def read_notebook(data: bytes) -> Reading:
    """Read a Jupyter notebook: its text and code, not what the code put out.

    Args:
        data: the file.

    Returns:
        Its text.

    Raises:
        DocumentError: it is no notebook.
    """
    try:
        cells = json.loads(decode(data))["cells"]
        parts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DocumentError(
            "is not a Jupyter notebook of version 4. Open and save it with a current Jupyter"
        ) from error
    return _render("\n\n".join(f"```\n{source}\n```" if kind == "code" else source for kind, source in parts))


def _render(text: str) -> Reading:
    return read_markup(MarkdownIt("commonmark").enable("table").render(text))


def _front_title(front: str) -> str | None:
    try:
        fields = yaml.safe_load(front)
    except yaml.YAMLError:
        return None
    title = fields.get("title") if isinstance(fields, dict) else None
    return str(title) if title else None
