from __future__ import annotations

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
