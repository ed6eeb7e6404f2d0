from __future__ import annotations

import pytest

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.tables import read_delimited, render_table


def test_each_row_says_what_its_cells_are() -> None:
    rows = [["Item", "Replaced after"], ["Laptop", " 3\nyears "], ["", ""], ["Phone", ""]]
    assert render_table(rows, header=True) == "- Item: Laptop; Replaced after: 3 years\n- Item: Phone"


def test_without_a_header_two_columns_are_key_and_value() -> None:
    assert (
        render_table([["Opens", "8:00"], ["Closes", "17:00"]], header=False)
        == "- Opens: 8:00\n- Closes: 17:00"
    )


def test_rows_may_differ_in_length() -> None:
    assert render_table([["A", "B"], ["1"], ["1", "2", "3"]], header=True) == "- A: 1\n- A: 1; B: 2; 3"


def test_a_semicolon_file_is_understood() -> None:
    data = "Stadt;Büro\nKöln;3\nBonn;4\n".encode("cp1252")
    assert read_delimited(data).text == "- Stadt: Köln; Büro: 3\n- Stadt: Bonn; Büro: 4"


def test_quoted_cells_may_hold_lines_and_commas() -> None:
    assert read_delimited(b'name,note\n"Doe, J.","two\nlines"\n').text == "- name: Doe, J.; note: two lines"


def test_a_cell_may_be_longer_than_128_kib() -> None:
    story = "Once upon a time. " * 12_000
    data = f'title,text\nLong,"{story}"\nShort,"The end, at last."\n'.encode()
    lines = read_delimited(data).text.splitlines()
    assert lines == [f"- title: Long; text: {story.strip()}", "- title: Short; text: The end, at last."]


@pytest.mark.parametrize("rows_below", [1, 20_000])
def test_a_quote_that_never_closes_is_refused_with_its_line(rows_below: int) -> None:
    data = b'name,note\nDoe,"two\nlines"\nRoe,"open\n' + b"Poe,A sentence.\n" * rows_below
    with pytest.raises(DocumentError, match="opens a quote in its row at line 4 that never closes"):
        read_delimited(data)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_the_last_row_may_end_in_any_way(end: str) -> None:
    assert read_delimited(f'name,note\nDoe,"6"" pipe"{end}'.encode()).text == '- name: Doe; note: 6" pipe'


def test_a_quote_in_a_quoted_cell_is_doubled_also_where_the_start_of_the_file_holds_none() -> None:
    rows = "".join(f'"Doe {number}","a note, as ever"\r\n' for number in range(500))
    reading = read_delimited(f'name,note\r\n{rows}"Roe","says ""no"", twice"\r\n"Poe","6"",",b\r\n'.encode())
    assert reading.text.splitlines()[-2:] == [
        '- name: Roe; note: says "no", twice',
        '- name: Poe; note: 6",; b',
    ]
