"""What `tunesmith doctor` says of one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: the thing.
        verdict: `ok`; `warn`: works, with a drawback; `bad`: must be mended.
        detail: what was seen, and the way out.
    """

    what: str
    verdict: Literal["ok", "warn", "bad"]
    detail: str
