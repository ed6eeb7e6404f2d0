"""One plain form for all text, so that an offset means the same wherever the text is read again."""

from __future__ import annotations

import re
import unicodedata

_LINE_ENDS = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile(r"[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# Zero-width spaces, soft hyphens, byte order marks, lone surrogates and control characters carry no text.
_INVISIBLE = re.compile(r"[\u00ad\u200b\u2060\ufeff\ud800-\udfff\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_TRAILING = re.compile(r" +$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


def normalise(text: str) -> str:
    r"""Bring a text into its one form; doing so again changes nothing.

    Lines end with `\n`, at most one blank line stands between two others, all white space within a line is
    a plain space, letters are composed (NFC), invisible characters are gone.

    Args:
        text: as a reader gave it.

    Returns:
        The text that documents keep and offsets count in.
    """
    text = _LINE_ENDS.sub("\n", text)
    text = _INVISIBLE.sub("", _SPACES.sub(" ", text))
    text = unicodedata.normalize("NFC", text)
    text = _TRAILING.sub("", text)
    return _BLANK_LINES.sub("\n\n", text).strip()
