from __future__ import annotations

import pytest

from tunesmith.rag.asked import can_answer
from tunesmith.rag.terms import read_terms


def _can(question: str, answer: str) -> bool:
    return can_answer(answer, read_terms(answer), question)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many days of annual leave do full-time staff get?", "27 days"),
        ("How many days of annual leave do full-time staff get?", "five and a half weeks"),
        ("How many ribbons does the Sallow 12 weave side by side?", "twelve"),
        ("How many castings are X-rayed?", "4 per cent"),
        ("How many members of staff took part?", "hundreds"),
        ("How many desks are there per ten people?", "7:10"),
        ("How much iron does the furnace melt per charge?", "three tonnes"),
        ("How much paid leave is there per year for a sick child?", "ten days"),
        ("How much does the dish of the day cost?", "4.60 euros"),
        ("How much of the plan is done?", "half"),
        ("How long does the refresher course take?", "seven hours"),
        ("How large is the referral bonus when a candidate is hired?", "750 euros"),
        ("When is the referral bonus paid?", "after six months"),
        ("When did the oil crisis begin?", "in 1973"),
        ("What is the monthly amount of the grant?", "140 euros"),
        ("What is the year-end bonus?", "750 euros"),
        ("What share of turnover does research receive?", "6.5 per cent"),
        ("What is the monthly language allowance?", "65 euros"),
        ("At what temperature are pattern cards kept?", "17 degrees Celsius"),
        ("What length has the meal break?", "40 minutes"),
        ("Who countersigns claims above 1,000 euros?", "Claims above 1,000 euros go to the controller"),
        ("Where is the meeting point?", "300 metres from the gate"),
        ("Is the works shut in July or August?", "August"),
        ("Tell me about the looms.", "18 bays"),
        ("Is leave paid out?", "750 euros"),
        ("", "27 days"),
        ("How", "27 days"),
        ("How much", "27 days"),
    ],
)
def test_what_may_be_the_answer(question: str, answer: str) -> None:
    assert _can(question, answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many days of standby may an engineer do?", "48 euros"),
        ("How many pattern cards are kept?", "17 degrees Celsius"),
        ("What number of loading docks is there?", "44 tonnes"),
        ("How many photographs are taken?", "crimson"),
        ("How many square metres is the hall?", "30 metres"),
        ("How much did the company pay for the house?", "seed merchant's store"),
        ("How much does the plan cost a year?", "36 hours"),
        ("How much time do they spend on it?", "4 euros"),
        ("How long before loading are papers prepared?", "110 per cent"),
        ("How old must a member be?", "4.5 per cent"),
        ("When is the bonus paid out?", "750 euros"),
        ("By what date is the grant paid?", "140 euros"),
        ("In what year was the mill built?", "18"),
        ("At what temperature is the room held?", "65 per cent"),
        ("What is the title of the safety film?", "six minutes"),
        ("Who empties the bins?", "18"),
        ("Where is the fair held?", "4 euros"),
        ("What is the reed width of the Corvane 200?", "200"),
        ("What must safety shoes meet?", "Safety shoes"),
    ],
)
def test_what_is_plainly_something_else(question: str, answer: str) -> None:
    assert not _can(question, answer)
