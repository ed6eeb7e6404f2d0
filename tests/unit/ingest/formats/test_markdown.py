from __future__ import annotations

import json

import pytest

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.markdown import read_markdown, read_notebook
from tunesmith.ingest.normalise import normalise


def text(markdown: str) -> str:
    return normalise(read_markdown(markdown.encode()).text)


def test_markup_goes_and_headings_and_items_stay() -> None:
    source = (
        "# Leave\n\nStaff get **27 days** ([rules](http://x)), `early`.\nSame paragraph.\n\n"
        "Setext\n------\n\n1. Ask\n2. Go\n\n* one\n\n* two\n\n> quoted\n\n![chart](c.png)\n\n<!-- hidden -->"
    )
    assert text(source) == (
        "# Leave\n\nStaff get 27 days (rules), early. Same paragraph.\n\n## Setext\n\n- Ask\n- Go\n- one\n- two"
        "\n\nquoted"
    )


def test_a_table_is_read_row_by_row() -> None:
    assert text("| Item | After |\n|---|---|\n| Phone | 2 years |\n") == "- Item: Phone; After: 2 years"


@pytest.mark.parametrize("fence", ["---", "+++"])
def test_front_matter_is_dropped(fence: str) -> None:
    assert text(f"{fence}\ntags: [a]\nowner: me\n{fence}\n\n# Leave\n\nText.") == "# Leave\n\nText."


def test_the_front_matters_title_wins() -> None:
    assert read_markdown(b"---\ntitle: Holidays\n---\n# Leave").title == "Holidays"
    assert read_markdown(b"---\n: [broken\n---\n# Leave").title == "Leave"
    assert read_markdown(b"no title").title is None


def test_a_line_across_is_no_front_matter() -> None:
    assert text("Above.\n\n---\n\nBelow.") == "Above.\n\nBelow."


def test_code_is_kept_as_it_stands() -> None:
    assert text("```python\n# no heading\nx = a * b * c\n```") == "# no heading\nx = a * b * c"


def test_a_notebook_is_its_text_and_code_without_output() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Loss\n", "It *falls*."]},
        {"cell_type": "code", "source": "print(1)", "outputs": [{"text": "secret output"}]},
    ]
    reading = read_notebook(json.dumps({"cells": cells}).encode())
    assert normalise(reading.text) == "# Loss\n\nIt falls.\n\nprint(1)"
    assert reading.title == "Loss"


@pytest.mark.parametrize("data", [b"[]", b'{"cells": 3}', b'{"worksheets": []}', b"{"])
def test_what_is_no_notebook_is_told(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not a Jupyter notebook"):
        read_notebook(data)
