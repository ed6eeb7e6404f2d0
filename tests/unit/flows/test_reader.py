from __future__ import annotations

from tunesmith.datasets.reading.conversation import Conversation, Turn
from tunesmith.flows.reader import score
from tunesmith.rag.prompt import ABSTENTION


def _asked(value: str | None, number: int | None = 2) -> Conversation:
    return Conversation("", ("a", "b"), (Turn("Which?", value, number if value else None),))


def test_value_source_and_refusal_are_scored_apart() -> None:
    asked = [_asked("Wren [3]"), _asked("9 m"), _asked("red"), _asked("red"), _asked(None), _asked(None)]
    said = ["Wren [3] [2]", "9 m [1]", "red", ABSTENTION, ABSTENTION, "red [1]"]
    found = score(asked, said)
    assert found.values is not None
    assert (found.values.value, found.values.num) == (0.75, 4)
    assert found.values.low < 0.75 < found.values.high
    assert found.source_numbers is not None
    assert (round(found.source_numbers.value, 2), found.source_numbers.num) == (0.33, 3)
    assert found.abstentions is not None
    assert found.abstentions.value == 0.5
    assert found.false_abstentions is not None
    assert found.false_abstentions.value == 0.25


def test_what_was_not_asked_has_no_score() -> None:
    found = score([_asked("red")], ["blue [2]"])
    assert (found.abstentions, found.source_numbers) == (None, None)
