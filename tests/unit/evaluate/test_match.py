import pytest

from tunesmith.evaluate.match import holds_target, is_right
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
