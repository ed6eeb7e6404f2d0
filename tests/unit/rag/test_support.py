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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes", False),
        ("Yes, staff may park here.", False),
        ("Yes staff may park here.", False),
        ("**Yes**, staff may park here.", False),
        ("No.", True),
        ("No - staff may not park here.", True),
        ("No. Staff may not park here.", True),
        ("No dogs", None),
        ("No-one may park here.", None),
        ("No. 5", None),
        ("27 days", None),
        ("", None),
    ],
)
def test_a_leading_yes_or_no_is_told_from_the_rest(text: str, expected: bool | None) -> None:
    claim = Claim.read(text, "May staff park here?")
    assert claim.says_no is expected
    assert expected is None or not {"yes", "no"} & {term.key for term in claim.terms}


def test_a_unit_behind_yes_is_kept() -> None:
    assert [term.key for term in Claim.read("Yes, $5", "").terms] == ["dollar", "5"]


RULES = (
    "Smoking is not allowed on site. Meals are paid for with the bobbin card, not with cash. "
    "The meeting may not last longer than 18 minutes. Alcohol is never refunded, except at the spring fair. "
    "Nobody may enter the yard without a helmet. Requests are entered in the portal, never by e-mail. "
    "Dogs are welcome, cats are not. It is not allowed to bring children into the hall. "
    "Leave is no longer paid out. Headsets are ordered without further approval. "
    "The flexitime balance is not currently capped. Parking is free for visitors in the yard."
)


@pytest.mark.parametrize(
    ("claim", "question"),
    [
        ("Smoking is not allowed", "Is smoking allowed?"),
        ("Not allowed", "Is smoking allowed on site?"),
        ("No", "Is smoking allowed on site?"),
        ("No.", "Isn't smoking allowed on site?"),
        ("No, smoking is not allowed.", "Is smoking allowed on site?"),
        ("No, it isn't.", "Is smoking allowed on site?"),
        ("Yes", "Is smoking not allowed on site?"),
        ("Yes", "Are meals paid with the bobbin card?"),
        ("Yes, with the bobbin card.", "Are meals paid with the bobbin card?"),
        ("Yes. Meals are paid with the bobbin card", "How are meals paid?"),
        ("with the bobbin card", "How are meals paid?"),
        ("Meals are paid with the bobbin card and not with cash.", "How are meals paid?"),
        ("18 minutes", "How long may the meeting last?"),
        ("The meeting lasts 18 minutes at most.", "How long may the meeting last?"),
        ("not longer than 18 minutes", "How long may the meeting last?"),
        ("at the spring fair", "When is alcohol refunded?"),
        ("Alcohol is refunded at the spring fair", "When is alcohol refunded?"),
        ("a helmet", "What must I wear to enter the yard?"),
        ("Visitors enter the yard with a helmet", "How do visitors enter the yard?"),
        ("No", "May I enter the yard without a helmet?"),
        ("in the portal", "How are requests entered?"),
        ("Dogs are welcome", "Which animals are welcome?"),
        ("cats", "Which animals are not welcome?"),
        ("No", "May I bring children into the hall?"),
        ("children", "What may I not bring into the hall?"),
        ("Leave is no longer paid out", "Is leave paid out?"),
        ("Yes", "Are headsets ordered without approval?"),
        ("Yes, parking is free for visitors.", "Is parking free for visitors?"),
        ("Yes, it is.", "Is parking free for visitors?"),
        ("No, visitors park for free.", "Do visitors pay for parking in the yard?"),
    ],
)
def test_right_beside_a_negation(source: Callable[..., Source], claim: str, question: str) -> None:
    assert supporting(source(1, RULES), claim, question)


@pytest.mark.parametrize(
    ("claim", "question"),
    [
        ("Smoking is allowed", "Is smoking allowed?"),
        ("Smoking is allowed on site", "Where is smoking allowed?"),
        ("on site", "Where is smoking allowed?"),
        ("smoking", "What is allowed on site?"),
        ("Yes", "Is smoking allowed on site?"),
        ("Yes, smoking is allowed.", "Is smoking allowed on site?"),
        ("Yes, it is.", "Is smoking allowed on site?"),
        ("Yes, on site.", "Is smoking allowed on site?"),
        ("No", "Are meals paid with the bobbin card?"),
        ("with cash", "How are meals paid?"),
        ("not with the bobbin card", "How are meals paid?"),
        ("Meals are not paid with the bobbin card", "How are meals paid?"),
        ("The meeting lasts longer than 18 minutes", "How long does the meeting last?"),
        ("Alcohol is refunded", "Is alcohol refunded?"),
        ("I may enter the yard without a helmet", "How may I enter the yard?"),
        ("Yes", "May I enter the yard without a helmet?"),
        ("by e-mail", "How are requests entered?"),
        ("Cats are welcome", "Which animals are welcome?"),
        ("Yes", "May I bring children into the hall?"),
        ("Leave is paid out", "Is leave paid out?"),
        ("The flexitime balance is capped", "Is the flexitime balance capped?"),
        ("Parking is not free", "Is parking free for visitors?"),
        ("not free", "Is parking free for visitors?"),
        ("No, parking is not free.", "Is parking free for visitors?"),
        ("No", "Is parking free for visitors?"),
    ],
)
def test_a_source_that_denies_it_does_not_support_it(
    source: Callable[..., Source], claim: str, question: str
) -> None:
    assert supporting(source(1, RULES), claim, question) is None


LONG = (
    "Full-time staff of the works receive 27 days of annual leave, which are granted by the team lead, cannot "
    "be sold and are never carried over without consent."
)


@pytest.mark.parametrize(
    "claim",
    [
        "27 days",
        "Full-time staff receive 27 days",
        "Full-time staff of the works receive 27 days of annual leave granted by the team lead.",
        "Full-time staff receive 27 days of annual leave, which cannot be sold.",
    ],
)
def test_a_negation_elsewhere_in_a_long_sentence_does_no_harm(
    source: Callable[..., Source], claim: str
) -> None:
    assert supporting(source(1, LONG), claim, "How many days of annual leave do full-time staff get?")


@pytest.mark.parametrize(
    "claim",
    [
        "Full-time staff do not receive 27 days",
        "Full-time staff of the works never receive 27 days of annual leave granted by the team lead.",
        "The 27 days of annual leave of the full-time staff of the works can be sold.",
    ],
)
def test_a_negation_of_the_same_word_counts_among_others(source: Callable[..., Source], claim: str) -> None:
    assert supporting(source(1, LONG), claim, "How many days of annual leave do full-time staff get?") is None


def test_a_denial_is_not_outweighed_by_the_next_sentence(source: Callable[..., Source]) -> None:
    text = (
        "Smoking by employees and guests is not allowed on site in summer. Dogs are allowed in the canteen."
    )
    claim = "Smoking by employees and guests is allowed on site in summer."
    assert supporting(source(1, text), claim, "Tell me the rules.") is None
