from __future__ import annotations

import pytest

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.plain import read_json, read_rst, read_text


def test_underlined_headings_of_plain_text_are_marked() -> None:
    text = b"OFFICE HOURS\r\n============\r\n\r\nWe open at 8.\r\n\r\nLunch\r\n-----\r\nNoon.\r\n---\r\n"
    assert read_text(text).text == "# OFFICE HOURS\n\n\nWe open at 8.\n\n## Lunch\n\n## Noon.\n\n"


def test_restructured_text_loses_its_markup() -> None:
    text = b"""=====\nLeave\n=====\n\n.. note::\n   Ask ``early``, see :ref:`rules <r>`.\n\nMore\n----\n\n`A link <http://x>`_.\n"""
    said = read_rst(text).text
    assert "# Leave\n" in said
    assert "# More\n" in said
    assert "Ask early, see rules." in said
    assert "A link." in said
    assert "note::" not in said
    assert "http" not in said


def test_json_says_the_way_to_each_value() -> None:
    data = b'{"office": {"opens": "8:00", "days": ["Mon", "Tue"], "notes": null}, "flag": true}'
    assert (
        read_json(data).text
        == "- office.opens: 8:00\n- office.days 1: Mon\n- office.days 2: Tue\n- flag: True"
    )


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b"nonsense"])
def test_broken_json_is_told(data: bytes) -> None:
    with pytest.raises(DocumentError, match="not valid JSON"):
        read_json(data)
