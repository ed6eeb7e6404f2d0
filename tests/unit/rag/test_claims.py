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
    ],
)
def test_claims_carry_the_numbers_behind_them(text: str, expected: list[tuple[str, tuple[int, ...]]]) -> None:
    assert claims(text) == expected
