"""Zip files that hold documents (DOCX, PPTX, EPUB), opened with their size checked beforehand."""

from __future__ import annotations

import io
import zipfile

from lxml import etree

from tunesmith.errors import DocumentError

_MAX_UNPACKED = 512 * 2**20
_OLE = b"\xd0\xcf\x11\xe0"


def open_archive(data: bytes) -> zipfile.ZipFile:
    """Open a zip file.

    Args:
        data: the file.

    Returns:
        The archive.

    Raises:
        DocumentError: it is none, is locked, or unpacks to too much.
    """
    if data.startswith(_OLE):
        raise DocumentError(
            "is protected by a password, or in the format of Office 97. Save it without, in today's format"
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DocumentError(f"is damaged: {error}. Save it again") from error
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MAX_UNPACKED:
        raise DocumentError(
            f"unpacks to {unpacked // 2**20} MiB; at most {_MAX_UNPACKED // 2**20} are taken. Split it"
        )
    return archive


def parse_xml(data: bytes) -> etree._Element:
    """Parse XML of a document: no entities, no network.

    Args:
        data: the bytes.

    Returns:
        The root.

    Raises:
        lxml.etree.XMLSyntaxError: it is no XML.
    """
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
