from collections.abc import Callable

import pytest

from tunesmith.rag.support import Claim, SourceText, Weights, find_support
from tunesmith.records import Source

LEAVE = (
    "Leave at Brackwell. Full-time staff receive 27 days of leave a year. Part-time staff receive 14 days. "
    "Requests go to the team lead four weeks ahead. Leave is not paid out. "
    "The office opens at 09:00 and closes at 5:30 pm. "
    "Lunch costs €4.50 and a coffee 80 cents."
)


def supporting(source: Source, claim: str, question: str) -> str | None:
    text = SourceText.read(source)
    support = find_support(Claim.read(claim, question), text, Weights.over([text]))
    return source.hit.chunk.text[support.start : support.end] if support else None


@pytest.mark.parametrize(
    ("claim", "question", "expected"),
    [
        (
            "27 days",
            "How many days of leave do full-time staff get?",
            "Full-time staff receive 27 days of leave a year.",
        ),
        (
            "twenty-seven days",
            "How much leave do full-time staff get?",
            "Full-time staff receive 27 days of leave a year.",
        ),
        ("9 am", "When does the office open?", "The office opens at 09:00 and closes at 5:30 pm."),
        ("4.50 euros", "What does lunch cost?", "Lunch costs €4.50 and a coffee 80 cents."),
        ("the team lead", "Who do leave requests go to?", "Requests go to the team lead four weeks ahead."),
        ("No", "Is leave paid out?", "Leave is not paid out."),
        (
            "Full-time staff receive 27 days of leave and requests go to the team lead.",
            "Tell me about leave.",
            "Full-time staff receive 27 days of leave a year. Part-time staff receive 14 days. "
            "Requests go to the team lead four weeks ahead.",
        ),
    ],
)
def test_supported(source: Callable[..., Source], claim: str, question: str, expected: str) -> None:
    assert supporting(source(1, LEAVE), claim, question) == expected


@pytest.mark.parametrize(
    ("claim", "question"),
    [
        ("28 days", "How many days of leave do full-time staff get?"),
        ("27 weeks", "How many weeks of leave do full-time staff get?"),
        ("27 dollars", "How many days of leave do full-time staff get?"),
        ("9:30", "When does the office open?"),
        ("4.60 euros", "What does lunch cost?"),
        ("the works council", "Who do leave requests go to?"),
        ("27 days", "How tall is the loading crane in Norwich?"),
        ("Yes", "Is leave paid out?"),
        ("Full-time staff do not receive 27 days of leave a year from Brackwell.", "Tell me about leave."),
        ("", "How many days of leave do full-time staff get?"),
        ("...", "How many days of leave do full-time staff get?"),
    ],
)
def test_not_supported(source: Callable[..., Source], claim: str, question: str) -> None:
    assert supporting(source(1, LEAVE), claim, question) is None


def test_rare_words_weigh_more(source: Callable[..., Source]) -> None:
    texts = [SourceText.read(source(n, text)) for n, text in enumerate(("leave crane", "leave", "leave"), 1)]
    weights = Weights.over(texts)
    assert weights.of("absent") > weights.of("cran") > weights.of("leav") == 1.0
