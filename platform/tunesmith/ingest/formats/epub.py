"""Books in EPUB: the chapters in reading order, each an HTML page."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from lxml import etree

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.archive import open_archive, parse_xml
from tunesmith.ingest.formats.html import read_html
from tunesmith.ingest.formats.reading import Reading


def read_epub(data: bytes) -> Reading:
    """Read a book.

    Args:
        data: the file.

    Returns:
        Its text and title.

    Raises:
        DocumentError: it is damaged, locked or too large.
    """
    archive = open_archive(data)
    if "META-INF/encryption.xml" in archive.namelist():
        raise DocumentError("is protected by DRM. Use a copy without it")
    container = parse_xml(archive.read("META-INF/container.xml"))
    root = str(_first(container, "rootfile").get("full-path"))
    package = parse_xml(archive.read(root))
    files = {item.get("id"): item.get("href") for item in package.iter("{*}item")}
    order = [files[item.get("idref")] for item in package.iter("{*}itemref") if item.get("idref") in files]
    folder = posixpath.dirname(root)
    pages = [
        read_html(archive.read(posixpath.normpath(posixpath.join(folder, unquote(str(name))))))
        for name in order
    ]
    titles = [title.text for title in package.iter("{http://purl.org/dc/elements/1.1/}title")]
    return Reading("\n\n".join(page.text for page in pages), titles[0] if titles else None)


def _first(root: etree._Element, name: str) -> etree._Element:
    for element in root.iter(f"{{*}}{name}"):
        return element
    raise DocumentError(f"is damaged: its container names no {name}. Save it again")
