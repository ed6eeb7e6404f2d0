"""Tables: every row becomes a line that can be understood, found and cited on its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import chain

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.decoding import decode
from tunesmith.ingest.formats.reading import Reading

_END = "\0"
"""A row of its own behind the last one, of a letter that no row holds."""


def render_table(rows: Sequence[Sequence[str]], *, header: bool) -> str:
    """Write a table as list items.

        | Item   | Replaced after |                - Item: Laptop; Replaced after: 3 years
        | Laptop | 3 years        |      ->        - Item: Phone; Replaced after: 2 years
        | Phone  | 2 years        |

    Args:
        rows: cells, row by row; rows may differ in length.
        header: whether the first row names the columns. Without names, two columns are key and value.

    Returns:
        One line a row, without empty cells and rows.
    """
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if header and len(cells) > 1:
        names, *body = cells
        lines = ["; ".join(_named(names, row)) for row in body]
    else:
        lines = [(": " if len(row) == 2 and row[0] else " | ").join(filter(None, row)) for row in cells]
    return "\n".join(f"- {line}" for line in lines)


def _named(names: Sequence[str], row: Sequence[str]) -> list[str]:
    padded = [*names, *[""] * (len(row) - len(names))]
    return [f"{name}: {cell}" if name else cell for name, cell in zip(padded, row, strict=False) if cell]


def read_delimited(data: bytes) -> Reading:
    """Read comma, semicolon or tab separated values; the first row names the columns.

    Args:
        data: the file.

    Returns:
        One line a row.

    Raises:
        DocumentError: it is no text, or a quote in it never closes.
    """
    text = decode(data).replace("\0", "")
    return Reading(render_table(_rows(text, _dialect(text[:8192])), header=True))


def _dialect(start: str) -> type[csv.Dialect]:
    try:
        dialect = csv.Sniffer().sniff(start, delimiters=",;\t|")
    except csv.Error:
        return csv.excel
    # The sniffer says no wherever it has not seen a quote inside a quoted cell yet.
    dialect.doublequote = True
    return dialect


def _rows(text: str, dialect: type[csv.Dialect]) -> list[list[str]]:
    # A cell may be as long as its file; csv's own limit for all of the process is 128 KiB.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(chain(io.StringIO(text, newline=""), [_END]), dialect)
    rows: list[list[str]] = []
    starts = [1]
    for row in reader:
        rows.append(row)
        starts.append(reader.line_num + 1)
    if rows.pop() != [_END]:
        # To csv, all that follows an open quote is one cell: the last row took the end in.
        raise DocumentError(
            f"opens a quote in its row at line {starts[-2]} that never closes. Close it, or double it where it "
            "stands for itself"
        )
    return rows
