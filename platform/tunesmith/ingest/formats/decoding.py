"""From bytes to text when nobody says which encoding it is."""

from __future__ import annotations

import codecs
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
    best = from_bytes(data[:_SAMPLE], cp_isolation=_CANDIDATES).best()
    if best is None:
        raise DocumentError("is not text in any known encoding. Save it as UTF-8")
    return data.decode(best.encoding, errors="replace")


def _require_text(text: str) -> None:
    sample = text[:_SAMPLE]
    control = sum(
        unicodedata.category(letter) in ("Cc", "Cn", "Co") for letter in sample if letter not in "\r\n\t\f"
    )
    if control > _MAX_CONTROL_SHARE * len(sample):
        raise DocumentError("holds binary data, not text. Check that its ending says what it is")
