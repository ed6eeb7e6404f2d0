from dataclasses import replace

import pytest

from tunesmith.evaluate.match import holds_target, is_evidence, is_right
from tunesmith.evaluate.samples import Sample

LEAVE = Sample(
    "a",
    "How much leave do full-time staff get?",
    "27 days",
    (),
    "a.md",
    "Full-time staff receive 27 days of leave a year.",
)
LEAD = Sample(
    "b", "Who grants leave?", "the team lead", ("team leader",), "a.md", "The team lead grants leave."
)
SHARED = Sample(
    "d",
    "How many days of leave do part-time staff get?",
    "14 days",
    (),
    "a.md",
    "Leave is 27 days for full-time staff and 14 days for part-time staff, code HR-7, from 1 March.",
)
RULE = Sample(
    "e", "How many days does rule 12 give?", "5 days", (), "a.md", "Rule 12 gives 5 days, rule 13 gives 6."
)
EXPORT = Sample(
    "g",
    "Where did the first export order come from?",
    "Portugal",
    (),
    "a.md",
    "The first export order, in 1963, came from a mill in Portugal.",
)
LAPSE = Sample(
    "f",
    "When does carried-over leave lapse?",
    "30 April",
    (),
    "a.md",
    "Carried-over leave lapses on 30 April, parental leave on 30 June.",
)
YES = Sample("c", "Is leave paid out?", "No", (), "a.md", "Leave is not paid out.")


@pytest.mark.parametrize(
    ("answer", "sample"),
    [
        ("27 days", LEAVE),
        ("Twenty-seven days.", LEAVE),
        ("27 DAYS a year", LEAVE),
        ("Full-time staff receive 27 days of leave.", LEAVE),
        ("the team lead", LEAD),
        ("Team lead", LEAD),
        ("a team leader", LEAD),
        ("Part-time staff get 14 days of leave", SHARED),
        ("Leave for part-time staff is 14 days: fourteen", SHARED),
        ("Rule 12 gives 5 days", RULE),
        ("14 days from March", SHARED),
        ("The first export order, in 1963, came from Portugal", EXPORT),
        ("carried-over leave lapses on 30 April", LAPSE),
        ("no", YES),
    ],
)
def test_right(answer: str, sample: Sample) -> None:
    assert is_right(answer, sample)


@pytest.mark.parametrize(
    ("answer", "sample"),
    [
        ("28 days", LEAVE),
        ("27", LEAVE),
        ("27 weeks", LEAVE),
        ("27 or 30 days", LEAVE),
        ("not 27 days", LEAVE),
        ("127 days", LEAVE),
        ("the deputy team lead", LEAD),
        ("lead", LEAD),
        ("", LEAD),
        ("14 days or 27 days", SHARED),
        ("27 days for full-time staff, 14 days for part-time staff", SHARED),
        ("14 days, HR-7", SHARED),
        ("30 April or June", LAPSE),
        ("Rule 13 gives 5 days", RULE),
        ("5 days, or 6", RULE),
        ("Yes", YES),
        ("27 days", Sample("u", "Who?", None)),
    ],
)
def test_wrong(answer: str, sample: Sample) -> None:
    assert not is_right(answer, sample)


def test_a_source_holds_evidence_or_answer() -> None:
    assert holds_target("# Leave\n\nFull-time staff receive  27 days of leave a year", LEAVE)
    assert holds_target("All get 27 days.", LEAVE)
    assert not holds_target("All get 28 days.", LEAVE)


@pytest.mark.parametrize(
    ("sample", "document", "text", "found"),
    [
        (LEAVE, "a.md", "All get 27 days.", True),
        (LEAVE, "b.md", "All get 27 days.", False),
        (replace(LEAVE, document=None), "b.md", "All get 27 days.", True),
        (replace(LEAVE, document=None), "b.md", "All get 28 days.", False),
        (replace(LEAVE, evidence=None), "a.md", "All get 27 days.", True),
        (replace(LEAVE, document=None, evidence=None), "a.md", "All get 27 days.", None),
    ],
)
def test_evidence_is_judged_by_what_the_file_says(
    sample: Sample, document: str, text: str, found: bool | None
) -> None:
    assert is_evidence(document, text, sample) is found
