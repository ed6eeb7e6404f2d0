import pytest

from tunesmith.rag.claims import split_claims
from tunesmith.rag.forms import parse_answer


def claims(text: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(claim.text, claim.numbers) for claim in split_claims(text, parse_answer(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("27 days [1].", [("27 days", (1,))]),
        ("27 days. [1]", [("27 days.", (1,))]),
        ("27 days [1][3], and 5 more [2].", [("27 days", (1, 3)), ("and 5 more", (2,))]),
        (
            "Staff get 27 days. Ask the lead [2]. Then go.",
            [("Staff get 27 days.", ()), ("Ask the lead", (2,)), ("Then go.", ())],
        ),
        (
            "[1] Staff get 27 days. Ask the lead. [2] Then go.",
            [("Staff get 27 days.", (1,)), ("Ask the lead.", (1,)), ("Then go.", (2,))],
        ),
        ("27 days", [("27 days", ())]),
        ("27 days [1]. The documents do not say when.", [("27 days", (1,))]),
        ("The documents do not say.", []),
        ('{"answer": "27 days. Ask Anna.", "sources": [2]}', [("27 days.", (2,)), ("Ask Anna.", (2,))]),
        ('{"answer": null, "sources": []}', []),
        ('{"answer": "27', []),
        ("", []),
        (
            '{"answer": "27 days. The documents do not say when.", "sources": [2]}',
            [("27 days.", (2,))],
        ),
    ],
)
def test_claims_carry_the_numbers_behind_them(text: str, expected: list[tuple[str, tuple[int, ...]]]) -> None:
    assert claims(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("According to [1], staff get 27 days.", (1,)),
        ("Per [1], staff get 27 days.", (1,)),
        ("In [1], staff get 27 days.", (1,)),
        ("As stated in source [1]: staff get 27 days.", (1,)),
        ("Source [2] says staff get 27 days.", (2,)),
        ("The document [2] states that staff get 27 days.", (2,)),
        ("Sources [1] and [2] say staff get 27 days.", (1, 2)),
        ("Documents [1], [2] and [3] agree that staff get 27 days.", (1, 2, 3)),
        ("But [2] allows 28 days.", (2,)),
        ("However, [2] says 28 days.", (2,)),
        ("While [1] says 27, [2] says 28 days.", (1, 2)),
        ("The handbook is clear: according to [1], staff get 27 days.", (1,)),
        ("Yes, according to [1], staff get 27 days.", (1,)),
    ],
)
def test_a_mark_that_is_part_of_its_sentence_stays_there(text: str, expected: tuple[int, ...]) -> None:
    assert claims(text) == [(text, expected)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("According to [1], staff get 27 days. Ask HR [2].", [(1,), (2,)]),
        ("Ask HR [2]. According to [1], staff get 27 days.", [(2,), (1,)]),
        ("27 days [1]. [2] says 28.", [(1,), (2,)]),
        ("[1] Staff get 27 days. According to [2], lunch is free.", [(1,), (2,)]),
        ("[1] says 27 days. [2] says 28.", [(1,), (2,)]),
        ("Staff get 27 days [1], and [2] adds that they may carry over five.", [(1,), (2,)]),
        ("Staff get 27 days according to [1] and 5 more according to [2].", [(1,), (2,)]),
        ("They may [1], but only on Fridays [2].", [(1,), (2,)]),
        ("27 days [1] and [2].", [(1, 2)]),
        ("27 days [1], see also [2].", [(1, 2)]),
        ("27 days (source: [2]). Ask HR ([3]).", [(2,), (3,)]),
        ("Staff get 27 days.\n\nSources: [1], [2]", [(1, 2)]),
    ],
)
def test_each_claim_has_its_marks(text: str, expected: list[tuple[int, ...]]) -> None:
    assert [numbers for _, numbers in claims(text)] == expected
