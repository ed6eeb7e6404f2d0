"""Names of files as clients send them, and as they get them back."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, WithJsonSchema

from tunesmith.gateway.body import BLANK

_MOST_CHARACTERS = 255
_HAS_A_NAME = rf"[^./\\{BLANK}][^/\\]*[/\\]*$"
"""Something else than dots and blanks stands in the last part of a path."""


def clean_filename(name: str) -> str:
    r"""Keep what is a name, not a path: `C:\data\a.jsonl` and `../a.jsonl` are `a.jsonl`.

    Args:
        name: as a client sent it.

    Returns:
        Its last part, without control characters and outer spaces.

    Raises:
        ValueError: nothing is left, or it has more than 255 characters.
    """
    if len(name) > _MOST_CHARACTERS:
        raise ValueError(f"has {len(name)} characters, at most {_MOST_CHARACTERS} are taken")
    if not re.search(_HAS_A_NAME, name):
        raise ValueError("must be the name of a file, such as examples.jsonl")
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return "".join(sign for sign in last if unicodedata.category(sign) not in ("Cc", "Cs")).strip()


Filename = Annotated[
    str,
    AfterValidator(clean_filename),
    WithJsonSchema({"type": "string", "maxLength": _MOST_CHARACTERS, "pattern": _HAS_A_NAME}),
]
"""A field of a request that is the name of a file."""


def attachment(filename: str) -> str:
    """The header that has a browser save a download, never show it.

    Args:
        filename: its name.

    Returns:
        Value of `Content-Disposition`, in ASCII.
    """
    quoted = quote(filename, safe="")
    if quoted == filename:
        return f'attachment; filename="{filename}"'
    return f"attachment; filename*=UTF-8''{quoted}"
