"""HTML without what surrounds the text: navigation, scripts, styles, footers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, NavigableString, PageElement, Tag
from bs4.dammit import EncodingDetector

from tunesmith.ingest.formats.decoding import decode
from tunesmith.ingest.formats.reading import Reading
from tunesmith.ingest.formats.tables import render_table

_DROPPED_NAMES = """
    nav script style noscript template svg math iframe object form button select input head footer aside audio
    video canvas dialog
"""
_DROPPED = frozenset(_DROPPED_NAMES.split())
_BLOCK_NAMES = """
    address article blockquote body center details div dl fieldset figcaption figure header hgroup html main
    ol p section summary ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_LISTS = frozenset(("ul", "ol", "dl", "table", "thead", "tbody", "tfoot", "tr"))
"""Between the parts of these, white space is layout."""
_LINE_SPACES = re.compile(r" *\n *")
_ITEM_START = re.compile(r"^-\s+(?=\S)", re.MULTILINE)
_LOOSE_LIST = re.compile(r"^(- .*)\n{2,}(?=- )", re.MULTILINE)
"""An item and the blank lines before the next one: loose and tight lists read the same."""
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_HEADING = re.compile(r"h[1-6]")
_ROLES_DROPPED = frozenset({"navigation", "banner", "contentinfo", "search", "menu"})


def read_html(data: bytes) -> Reading:
    """Read an HTML page.

    Args:
        data: the file.

    Returns:
        Its main text; the title is the first `h1`, else the page's `title`.

    Raises:
        DocumentError: it is no text.
    """
    declared = EncodingDetector.find_declared_encoding(data, is_html=True, search_entire_document=False)
    return read_markup(decode(data, declared=declared))


def read_markup(markup: str) -> Reading:
    """Read an HTML page or a piece of one.

    Args:
        markup: HTML.

    Returns:
        Its main text.
    """
    page = BeautifulSoup(_XML_DECLARATION.sub("", markup), "lxml")
    title = _title(page)
    for tag in page.find_all(_is_dropped):
        tag.decompose()
    text = _LINE_SPACES.sub("\n", "".join(_write(_main(page))))
    return Reading(_LOOSE_LIST.sub(r"\1\n", _ITEM_START.sub("- ", text)), title)


def _title(page: BeautifulSoup) -> str | None:
    tag = page.find("h1") or page.find("title")
    return " ".join(tag.get_text(" ").split()) or None if tag else None


def _is_dropped(tag: Tag) -> bool:
    return (
        tag.name in _DROPPED
        or tag.get("role") in _ROLES_DROPPED
        or tag.has_attr("hidden")
        or tag.get("aria-hidden") == "true"
    )


def _main(page: BeautifulSoup) -> Tag:
    # A page with one <main> says itself where its text is; several articles are a list of them.
    for name in ("main", "article"):
        found = page.find_all(name)
        if len(found) == 1 and isinstance(found[0], Tag) and found[0].get_text(strip=True):
            return found[0]
    return page


def _write(node: PageElement) -> Iterator[str]:
    if isinstance(node, NavigableString):
        if type(node) is NavigableString and not _is_layout(node):
            yield re.sub(r"\s+", " ", node)
        return
    if isinstance(node, Tag):
        yield from _write_tag(node)


def _write_tag(tag: Tag) -> Iterator[str]:
    if _HEADING.fullmatch(tag.name):
        yield f"\n\n{'#' * int(tag.name[1])} {_inline(tag)}\n\n"
    elif tag.name == "table" and (table := _table(tag)):
        yield f"\n\n{table}\n\n"
    elif tag.name == "pre":
        yield f"\n\n{tag.get_text()}\n\n"
    elif tag.name == "br":
        yield "\n"
    elif tag.name == "hr":
        yield "\n\n"
    elif tag.name == "li":
        yield from ("\n- ", *_children(tag), "\n")
    elif tag.name == "dt":
        yield f"\n- {_inline(tag)}: "
    elif tag.name == "dd":
        yield from (*_children(tag), "\n")
    elif tag.name in ("td", "th"):
        yield from (*_children(tag), " ")
    elif tag.name in _BLOCKS:
        yield from ("\n\n", *_children(tag), "\n\n") if not _in_item(tag) else (*_children(tag), "\n")
    elif tag.name == "tr":
        yield from ("\n", *_children(tag), "\n")
    else:
        yield from _children(tag)


def _children(tag: Tag) -> Iterator[str]:
    for child in tag.children:
        yield from _write(child)


def _in_item(tag: Tag) -> bool:
    return tag.parent is not None and tag.parent.name in ("li", "dd")


def _inline(tag: Tag) -> str:
    return " ".join(tag.get_text("").split())


def _is_layout(text: NavigableString) -> bool:
    return text.isspace() and text.parent is not None and text.parent.name in _LISTS


def _table(table: Tag) -> str | None:
    """Write a table of data; None for one that only lays a page out (it holds blocks of its own)."""
    if table.find(["table", "h1", "h2", "h3", "ul", "ol"]):
        return None
    rows = [row for row in table.find_all("tr") if isinstance(row, Tag)]
    cells = [[_inline(cell) for cell in row.find_all(["td", "th"]) if isinstance(cell, Tag)] for row in rows]
    named = bool(rows) and rows[0].find("th") is not None and rows[0].find("td") is None
    rendered = render_table(cells, header=named or (bool(cells) and len(cells[0]) > 2))
    caption = table.find("caption")
    return f"{_inline(caption)}\n{rendered}" if isinstance(caption, Tag) else rendered
