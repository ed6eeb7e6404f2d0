"""The few HTML pieces that the report is made of; whatever comes in as text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NewType

Html = NewType("Html", str)
"""Markup, already escaped."""


def text(value: str) -> Html:
    """Escape plain text.

    Args:
        value: anything.

    Returns:
        The same as markup.
    """
    return Html(escape(value))


def tag(name: str, *content: Html | str, **attributes: str) -> Html:
    """Wrap content in an element.

    Args:
        name: of the element.
        *content: markup; strings that are not must be escaped with `text` first.
        **attributes: name -> value; a trailing underscore is cut (`class_`), other underscores become hyphens.

    Returns:
        The element.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{said}>{''.join(content)}</{name}>")


def table(heads: Sequence[str], rows: Iterable[Html]) -> Html:
    """Lay out a table that scrolls sideways where the screen is narrow.

    Args:
        heads: titles of the columns; none for a table without a head.
        rows: `tr` elements.

    Returns:
        The table.
    """
    head = tag("tr", *(tag("th", text(title), scope="col") for title in heads))
    parts = (*([tag("thead", head)] if heads else []), tag("tbody", *rows))
    return tag("div", tag("table", *parts), class_="wide")


def items(lines: Iterable[Html], **attributes: str) -> Html:
    """A bulleted list.

    Args:
        lines: content of each item.
        **attributes: of the list.

    Returns:
        The list.
    """
    return tag("ul", *(tag("li", line) for line in lines), **attributes)


def fold(summary: Html, *content: Html, **attributes: str) -> Html:
    """Content that opens on a click.

    Args:
        summary: what is always seen.
        *content: the rest.
        **attributes: of the element.

    Returns:
        The element.
    """
    return tag("details", tag("summary", summary), *content, **attributes)
