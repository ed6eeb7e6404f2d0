"""What a reader gives: text and, where the format holds one, a title."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """The text of a file.

    Attributes:
        text: plain text; headings start with `#`, list items and table rows with `-`.
        title: the document's own title; None where the format or the file holds none.
    """

    text: str
    title: str | None = None
