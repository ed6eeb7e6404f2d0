from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.ingest.normalise import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc\u2028d\u0085e", "a\nb\nc\nd\ne"),
        ("  a  \n\n\n\n b\t \n", "a\n\n b"),
        ("5\u00a0000\u202f€\tnet", "5 000 € net"),
        ("un\u00adder\u200bstand\ufeff", "understand"),
        ("u\u0308ber", "über"),
        ("a\x00b\x07c\ud800", "abc"),
    ],
)
def test_text_has_one_form(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text(st.characters(exclude_categories=[])))
def test_doing_it_again_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    once.encode("utf-8")
