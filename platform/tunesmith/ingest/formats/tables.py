"""Tables: every row becomes a line that can be understood, found and cited on its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from tunesmith.ingest.formats.decoding import decode
from tunesmith.ingest.formats.reading import Reading


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
        DocumentError: it is no text.
    """
    text = decode(data)
    try:
        dialect: type[csv.Dialect] | str = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|")
    except csv.Error:
        dialect = "excel"
    rows = list(csv.reader(io.StringIO(text.replace("\0", ""), newline=""), dialect))
    return Reading(render_table(rows, header=True))
