import pytest

from tunesmith.rag.negation import Statement
from tunesmith.rag.terms import read_terms, stem


def read(text: str) -> Statement:
    return Statement.read(text, read_terms(text))


def denied(text: str) -> set[str]:
    return {key for denial in read(text).denials for key in denial.heads}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Smoking is not allowed on site.", {"allow"}),
        ("Smoking isn't allowed.", {"allow"}),
        ("Smoking is not generally allowed.", {"general", "allow"}),
        ("It is not permitted to smoke.", {"permit", "smok"}),
        ("Leave is no longer paid out.", {"longer", "paid"}),
        ("The rule does not apply to trainees.", {stem("apply")}),
        ("Nobody may enter.", {"enter"}),
        ("No one may enter.", {"enter"}),
        ("Dogs are welcome, cats are not.", {"cat"}),
        ("No more than 16 people may enter.", {"mor"}),
        ("Neither dogs nor cats may enter.", {"dog", "cat"}),
        ("Headsets are ordered without approval.", {"approval"}),
        ("Nobody enters without a helmet.", {"enter"}),
        ("A call without an agenda is declined without a reason.", {"agenda", "reason"}),
        ("Not only staff may enter.", set()),
        ("Whether or not it rains, we go.", set()),
        ("No. 5 is the gate.", set()),
        ("Smoking is allowed.", set()),
        ("", set()),
    ],
)
def test_what_is_denied(text: str, expected: set[str]) -> None:
    assert denied(text) == expected


def test_what_stands_in_another_clause_is_asserted() -> None:
    statement = read("Smoking is not allowed in the hall but allowed in the yard, which is open.")
    assert {"allow", "yard", "open"} <= statement.asserted
    assert not {"smok", "hall"} & statement.asserted


def test_a_part_of_a_sentence_may_be_denied_alone() -> None:
    assert {"meal", "paid", "card"} <= read("Meals are paid with the card not with cash.").asserted


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("It may not last longer than 18 minutes.", "It lasts 18 minutes.", True),
        ("It may not last longer than 18 minutes.", "It lasts longer than 18 minutes.", False),
        ("Alcohol is never refunded, except at the fair.", "Alcohol is refunded at the fair.", True),
        ("Alcohol is never refunded, except at the fair.", "Alcohol is refunded.", False),
        ("Unless agreed, leave is not paid out.", "If agreed, leave is paid out.", True),
        ("Claims above 90 euros are not paid by Anna.", "Anna paid the claims.", False),
        ("It was not released in Europe but in Asia.", "It was released in Asia.", True),
        ("It was not released in Europe but in Asia.", "It was released in Europe.", False),
    ],
)
def test_a_bound_lifts_a_denial(text: str, other: str, expected: bool) -> None:
    (denial,) = read(text).denials
    assert denial.is_lifted(read(other).keys) is expected
