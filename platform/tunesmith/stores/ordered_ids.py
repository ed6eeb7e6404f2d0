"""Ids that sort by the moment they were made, so that an id alone is a place in a list.

    file-65a1c0ffee123 9f3b2c4d5e6
         microseconds  random        24 hex digits together

A page that ended at a thing which is gone by now can still be continued.
"""

from __future__ import annotations

import re
import secrets
import time

_TAIL = re.compile(r"([0-9a-f]{13})[0-9a-f]{11}")


def new_id(prefix: str) -> str:
    """Make an id.

    Args:
        prefix: what it begins with, such as `file-`.

    Returns:
        The id; later ones are greater.
    """
    return f"{prefix}{time.time_ns() // 1000:013x}{secrets.token_hex(6)[1:]}"


def born_at(id: str, prefix: str) -> int | None:
    """Tell when an id was made.

    Args:
        id: the id.
        prefix: what it must begin with.

    Returns:
        Unix seconds; None if it is no such id.
    """
    tail = _TAIL.fullmatch(id.removeprefix(prefix)) if id.startswith(prefix) else None
    return int(tail[1], 16) // 1_000_000 if tail else None
