"""Plain text, reStructuredText and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.decoding import decode
from tunesmith.ingest.formats.reading import Reading

_UNDERLINED = re.compile(r"^(?=.{1,100}$)(\S.*)\n(={3,}|-{3,}|~{3,})$", re.MULTILINE)
_LEVELS = {"=": "#", "-": "##", "~": "###"}
_RST_HEADING = re.compile(
    r"""^(?:(?P<over>([=\-~^"'`#*+.:_])\2{2,})\n)?   # an optional line above
        (?P<title>\S[^\n]*)\n
        ([=\-~^"'`#*+.:_])\4{2,}$                    # the line below
    """,
    re.MULTILINE | re.VERBOSE,
)
_RST_DIRECTIVE = re.compile(r"^\.\. .*$|^\s+:[\w-]+:.*$", re.MULTILINE)
_RST_ROLE = re.compile(r":[\w:+.-]+:`([^`<]+)(?:<[^>]*>)?`|``([^`]+)``|`([^`<]+)<[^>]*>`__?")


def read_text(data: bytes) -> Reading:
    """Read plain text; underlined headings are marked.

    Args:
        data: the file.

    Returns:
        Its text.

    Raises:
        DocumentError: it is no text.
    """
    text = decode(data).replace("\r\n", "\n")
    return Reading(_UNDERLINED.sub(lambda match: f"{_LEVELS[match[2][0]]} {match[1]}\n", text))


def read_rst(data: bytes) -> Reading:
    """Read reStructuredText: headings marked, directives and roles taken away.

    Args:
        data: the file.

    Returns:
        Its text.

    Raises:
        DocumentError: it is no text.
    """
    text = decode(data).replace("\r\n", "\n")
    text = _RST_HEADING.sub(lambda match: f"# {match['title'].strip()}\n", text)
    text = _RST_DIRECTIVE.sub("", text)
    text = _RST_ROLE.sub(lambda match: next(group for group in match.groups() if group).strip(), text)
    return Reading(text)


def read_json(data: bytes) -> Reading:
    """Read JSON: one line a value, with the way to it.

    Args:
        data: the file.

    Returns:
        Lines like `- office.opening_hours.monday: 8:00`.

    Raises:
        DocumentError: it is no JSON.
    """
    try:
        tree = json.loads(decode(data))
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"is not valid JSON ({error}). Fix it") from error
    return Reading("\n".join(_leaves(tree, "")))


def _leaves(node: object, path: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for number, value in enumerate(node, 1):
            yield from _leaves(value, f"{path} {number}" if path else str(number))
    elif node not in (None, ""):
        yield f"- {path}: {node}" if path else f"- {node}"
