import pytest

from tunesmith.rag.abstain import is_abstention
from tunesmith.rag.prompt import ABSTENTION


@pytest.mark.parametrize(
    "sentence",
    [
        ABSTENTION,
        "The documents do not say how long.",
        "These sources do not mention parking.",
        "The provided context does not contain this.",
        "The information provided doesn’t cover pensions.",
        "The sources say nothing about it.",
        "It is not stated in the documents.",
        "Not mentioned.",
        "No information is given.",
        "I'm sorry, but I cannot answer that.",
        "N/A",
    ],
)
def test_the_usual_ways_to_abstain(sentence: str) -> None:
    assert is_abstention(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "No.",
        "The documents are kept for ten years.",
        "The text does not need a signature.",
        "There is no canteen on Saturdays.",
        "Unknown visitors wait at the gate.",
        "Not before 09:00.",
        "",
    ],
)
def test_answers_are_none(sentence: str) -> None:
    assert not is_abstention(sentence)
