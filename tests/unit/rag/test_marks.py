"""Sentences of prose with their marks; what becomes of them as claims is in test_claims.py."""

import time

import pytest

from tunesmith.rag.marks import read_numbers, read_sentences, remove_attribution


@pytest.mark.parametrize(
    ("text", "expected"),
    [("27 days [2].", (2,)), ("a [1, 3] b [3;2][10]", (1, 3, 2, 10)), ("27 days [a] (2)", ()), ("", ())],
)
def test_numbers_stand_in_the_order_written(text: str, expected: tuple[int, ...]) -> None:
    assert read_numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("27 days. [1] Ask HR.", [("27 days.", True), ("Ask HR.", False)]),
        ("[1] Staff get 27 days. Ask HR.", [("Staff get 27 days.", True), ("Ask HR.", True)]),
        (
            "The documents [1], [2] and [3] do not say.",
            [("The documents do not say.", True)],
        ),
        ("27 days ([1]).", [("27 days ().", True)]),
        ("[1] [2]", []),
        ("...", []),
    ],
)
def test_a_sentence_knows_whether_it_names_a_source(text: str, expected: list[tuple[str, bool]]) -> None:
    assert [(sentence.text, sentence.names_source) for sentence in read_sentences(text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("According to [1], staff get 27 days", "staff get 27 days"),
        ("As stated in source [1]: staff get 27 days", "staff get 27 days"),
        ("Sources [1] and [2] say that staff get 27 days", "and staff get 27 days"),
        ("Yes, according to [1], staff get 27 days", "Yes, staff get 27 days"),
        ("According to the provided documents, staff get 27 days", "staff get 27 days"),
        ("Staff get 27 days [1]", "Staff get 27 days"),
        ("It is a document [a]", "It is a document [a]"),
    ],
)
def test_who_says_it_is_left_out(text: str, expected: str) -> None:
    assert remove_attribution(text) == expected


@pytest.mark.parametrize("unit", ["source: [1]\n", "in the [1] says that ", "[1], and ", "in source "])
def test_the_time_grows_with_the_text(unit: str) -> None:
    started = time.process_time()
    read_sentences(f"Staff {unit * 2000}")
    assert time.process_time() - started < 2
