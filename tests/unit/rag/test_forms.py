import pytest

from tunesmith.rag.forms import parse_answer, say_house
from tunesmith.rag.prompt import ABSTENTION


def test_house_form() -> None:
    parsed = parse_answer('{"answer": "27 days", "sources": [2, 3, 2]}')
    assert (parsed.form, parsed.answer, parsed.numbers) == ("house", "27 days", (2, 3))
    assert parsed.valid
    assert not parsed.abstained


def test_house_abstention() -> None:
    parsed = parse_answer('{"answer": null, "sources": []}')
    assert parsed.valid
    assert parsed.abstained
    assert parsed.answer is None


@pytest.mark.parametrize("answer", ["27 days", 'say "hi"', "Zürich", None])
def test_what_is_said_is_read(answer: str | None) -> None:
    parsed = parse_answer(say_house(answer, (1,)))
    assert (parsed.valid, parsed.answer, parsed.numbers) == (True, answer, (1,))


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"answer": "27 days", "sources": [2]}\n```',
        '{"answer": "27 days", "sources": [2], "why": "page 3"}',
        '{"answer": "27 days", "sources": ["2"]}',
        '{"answer": "27 days", "sources": 2}',
        '{"answer": "27 days", "sources": [true]}',
        '{"answer": "27 days", "sources": [2.0]}',
        '{"answer": "27 days"}',
        '{"answer": "27 days", "sources": [2]} Anything else?',
    ],
)
def test_a_right_answer_in_a_wrong_form_is_read_but_not_valid(text: str) -> None:
    parsed = parse_answer(text)
    assert parsed.form == "house"
    assert parsed.answer == "27 days"
    assert not parsed.valid


@pytest.mark.parametrize(
    "text",
    [
        '{"answer": "27 da',
        "{}",
        '{"answer": "a", "answer": "b", "sources": []}',
        "{'answer': null, 'sources': []}",
    ],
)
def test_broken_json_holds_no_answer(text: str) -> None:
    parsed = parse_answer(text)
    assert (parsed.answer, parsed.abstained, parsed.valid) == (None, False, False)


def test_prose_with_marks() -> None:
    parsed = parse_answer("27 days [2], or 30 after ten years [1, 3].")
    assert (parsed.form, parsed.numbers, parsed.valid) == ("prose", (2, 1, 3), False)
    assert parsed.answer == "27 days , or 30 after ten years ."


@pytest.mark.parametrize(
    "text",
    [
        ABSTENTION,
        "The documents don’t say.",
        "the sources do not mention the canteen's hours.",
        "I don't know.",
        "I'm sorry, but the provided context does not contain this.",
        "There is no information about parking in the documents.",
        "That is not stated in the sources.",
        "The documents do not say. [1]",
        "The documents do not say. Ask the office.",
        "None of the documents mention the notice period.",
        "The documents [1][2] do not mention parking, leave [3] or pay [4].",
        "Sources [1] and [2] do not mention the notice period.",
        "[1] The documents do not say.",
        "Based on the documents, there is no information about the notice period.",
    ],
)
def test_abstentions_in_prose(text: str) -> None:
    assert parse_answer(text).abstained
    assert parse_answer(text).answer is None


@pytest.mark.parametrize(
    "text",
    [
        "27 days [1].",
        "Visitors do not say their name at the gate [2].",
        "The documents do not say how. They do say when: at 9:30 [2].",
        "Staff do not know the door code [1].",
        "No.",
        "There is no canteen on Saturdays [1].",
        "",
        "It is not covered [2].",
        "It is not covered.",
        "Not covered. [2]",
        "Not mentioned [2].",
        "No information about customers may be given by phone [1].",
        "The policy does not cover it [1]. It is not covered [2].",
        "[2] It is not covered.",
        "According to [2], it is not stated.",
    ],
)
def test_answers_are_not_abstentions(text: str) -> None:
    assert not parse_answer(text).abstained


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        (ABSTENTION, ()),
        (ABSTENTION, (1,)),
        ("Not stated.", ()),
        ("The sources do not mention parking.", (1, 2)),
        ("The documents do not say. Ask the office.", ()),
    ],
)
def test_abstention_inside_the_house_form(answer: str, numbers: tuple[int, ...]) -> None:
    assert parse_answer(say_house(answer, numbers)).abstained


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("not covered", (2,)),
        ("not covered", ()),
        ("not stated", (2,)),
        ("unknown", (2,)),
        ("The documents do not say how. They do say when: at 9:30.", (2,)),
    ],
)
def test_answer_inside_the_house_form_that_sounds_like_an_abstention(
    answer: str, numbers: tuple[int, ...]
) -> None:
    parsed = parse_answer(say_house(answer, numbers))
    assert (parsed.abstained, parsed.answer) == (False, answer)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("According to [1], staff get 27 days.", "staff get 27 days."),
        ("Source [2] says that staff get 27 days.", "staff get 27 days."),
        ("Staff get 27 days [1].", "Staff get 27 days ."),
    ],
)
def test_who_says_it_is_no_part_of_the_answer(text: str, answer: str) -> None:
    assert parse_answer(text).answer == answer
