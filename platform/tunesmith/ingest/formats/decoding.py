"""From bytes to text when nobody says which encoding it is."""

from __future__ import annotations

import codecs
import re
import unicodedata

from charset_normalizer import from_bytes

from tunesmith.errors import DocumentError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What text files are found in besides UTF-8; with all 90 codecs in the race short texts land in exotic ones.
_CANDIDATES = [
    "cp1252", "shift_jis", "cp932", "euc_jp", "gb18030", "big5", "euc_kr", "cp1250", "cp1251", "koi8_r",
    "iso8859_7", "cp1255", "cp1256", "utf_16_le", "utf_16_be",
]  # fmt: skip
_SAMPLE = 200_000
_MAX_WESTERN_SHARE = 0.4
_MIN_LONE_SHARE = 0.8
# Signs that western texts never hold within a word; where they seem to, the text is Polish, Czech, Turkish ...
_NO_WESTERN_LETTER = re.compile("[^\\W\\d_][¢£¤¥¦¨ª¯±²³´µ¶¸¹º¼½¾¿×÷\ufffd][^\\W\\d_]")
_MAX_CONTROL_SHARE = 0.005


def decode(data: bytes, *, declared: str | None = None) -> str:
    """Decode bytes: by byte order mark, by declaration, as UTF-8, else by the look of them.

    Args:
        data: the bytes.
        declared: encoding that the file itself names, if it does.

    Returns:
        The text.

    Raises:
        DocumentError: the bytes are no text.
    """
    text = _by_mark(data)
    for encoding in (declared, "utf-8"):
        text = text if text is not None else _try(data, encoding)
    if text is None:
        text = _guess(data)
    _require_text(text)
    return text


def _by_mark(data: bytes) -> str | None:
    return next((_try(data, encoding) for mark, encoding in _MARKS if data.startswith(mark)), None)


def _try(data: bytes, encoding: str | None) -> str | None:
    try:
        return data.decode(encoding) if encoding else None
    except (UnicodeDecodeError, LookupError):
        return None


def _guess(data: bytes) -> str:
    if _is_western(data[:_SAMPLE]):
        return data.decode("cp1252", errors="replace")
    best = from_bytes(data[:_SAMPLE], cp_isolation=_CANDIDATES).best()
    if best is None:
        raise DocumentError("is not text in any known encoding. Save it as UTF-8")
    return data.decode(best.encoding, errors="replace")


def _is_western(data: bytes) -> bool:
    """Whether few, lone bytes above ASCII spell letters of western Europe: statistics need longer texts for that."""
    high = [place for place, byte in enumerate(data) if byte >= 0x80]
    lone = [
        place
        for place in high
        if max(data[max(0, place - 1) : place] + data[place + 1 : place + 2], default=0) < 0x80
    ]
    text = data.decode("cp1252", errors="replace")
    return (
        len(high) < _MAX_WESTERN_SHARE * len(data)
        and len(lone) > _MIN_LONE_SHARE * len(high)
        and _NO_WESTERN_LETTER.search(text) is None
    )


def _require_text(text: str) -> None:
    sample = text[:_SAMPLE]
    control = sum(
        unicodedata.category(letter) in ("Cc", "Cn", "Co") for letter in sample if letter not in "\r\n\t\f"
    )
    if control > _MAX_CONTROL_SHARE * len(sample):
        raise DocumentError("is not text but binary data. Check that its ending says what it is")
