"""From a file to a Document, or to the reason why not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tunesmith.errors import DocumentError, PlatformError
from tunesmith.ingest.formats.epub import read_epub
from tunesmith.ingest.formats.html import read_html
from tunesmith.ingest.formats.markdown import read_markdown, read_notebook
from tunesmith.ingest.formats.office import read_docx, read_pptx
from tunesmith.ingest.formats.pdf import read_pdf
from tunesmith.ingest.formats.plain import read_json, read_rst, read_text
from tunesmith.ingest.formats.reading import Reading
from tunesmith.ingest.formats.tables import read_delimited
from tunesmith.ingest.normalise import normalise
from tunesmith.records import Document

READER_VERSION = 2
"""Rises when the same bytes give another text; documents of older versions are then read again."""

READERS: Mapping[str, Callable[[bytes], Reading]] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".text": read_text,
    ".rst": read_rst,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".pptx": read_pptx,
    ".epub": read_epub,
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".json": read_json,
    ".ipynb": read_notebook,
}
"""The formats that can be read, by the file's ending. A new one is one reader and one line here."""

_INSTEAD = {
    ".doc": ".docx",
    ".ppt": ".pptx",
    ".xls": ".csv",
    ".xlsx": ".csv",
    ".ods": ".csv",
    ".odt": ".docx",
    ".rtf": ".docx",
    ".msg": ".txt",
    ".eml": ".txt",
}
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_MAX_TITLE = 200


def load_document(file: Path, path: str, *, max_bytes: int = 100 * 2**20) -> Document:
    """Read one file.

    Args:
        file: where it lies.
        path: its name in the store.
        max_bytes: larger files are refused.

    Returns:
        Its text and title, and the hash of its bytes.

    Raises:
        DocumentError: it cannot be read; the message says why, as the rest of a sentence about the file.
    """
    return parse_document(read_bytes(file, max_bytes=max_bytes), path)


def read_bytes(file: Path, *, max_bytes: int) -> bytes:
    """Read a file's bytes.

    Args:
        file: where it lies.
        max_bytes: larger files are refused.

    Returns:
        Its bytes.

    Raises:
        DocumentError: it cannot be opened, or is empty or too large.
    """
    try:
        size = file.stat().st_size
        if size > max_bytes:
            raise DocumentError(
                f"has {size / 2**20:.0f} MiB, more than the {max_bytes // 2**20} allowed. "
                "Split it, or raise max_file_mib"
            )
        data = file.read_bytes()
    except OSError as error:
        raise DocumentError(f"cannot be opened: {error.strerror}. Check its permissions") from error
    if not data.strip():
        raise DocumentError("is empty. Remove it, or fill it")
    return data


def hash_bytes(data: bytes) -> str:
    """Hash a file.

    Args:
        data: its bytes.

    Returns:
        SHA-256 in hex.
    """
    return hashlib.sha256(data).hexdigest()


def parse_document(data: bytes, path: str) -> Document:
    """Turn a file's bytes into a document.

    Args:
        data: its bytes, not empty.
        path: its name in the store; the ending tells the format.

    Returns:
        The document.

    Raises:
        DocumentError: the format is not supported, the file is damaged, or there is no text in it.
    """
    reading = _read(data, _reader(path))
    text = normalise(reading.text)
    if not text:
        raise DocumentError("holds no text. Remove it, or fill it")
    return Document(path=path, title=_title(reading, text, path), text=text, content_hash=hash_bytes(data))


def _reader(path: str) -> Callable[[bytes], Reading]:
    ending = Path(path).suffix.lower()
    if ending in READERS:
        return READERS[ending]
    way_out = (
        f"Save it as {_INSTEAD[ending]}" if ending in _INSTEAD else f"Supported: {', '.join(sorted(READERS))}"
    )
    raise DocumentError(
        f"has the format {ending or 'without an ending'}, which is not supported. {way_out}",
        code="unsupported_format",
    )


def _read(data: bytes, reader: Callable[[bytes], Reading]) -> Reading:
    try:
        return reader(data)
    except (PlatformError, MemoryError):
        raise
    except Exception as error:
        # Damaged input makes parsers of foreign formats fail with anything; one bad file must not end the ingest.
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DocumentError(
            f"is damaged and cannot be parsed ({said}). Save it again from the program that made it"
        ) from error


def _title(reading: Reading, text: str, path: str) -> str:
    heading = _HEADING.search(text)
    title = reading.title or (heading[1] if heading else "") or Path(path).stem
    return normalise(title).replace("\n", " ")[:_MAX_TITLE] or Path(path).stem
