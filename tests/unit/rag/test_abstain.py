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
        "Not specified.",
        "Not answerable from the documents.",
        "None of the documents mention the notice period.",
        "None of these sources explicitly says how long.",
        "No document mentions the notice period.",
        "Nothing in the sources says when it opens.",
        "Nowhere in the documents is parking mentioned.",
        "Based on the documents, there is no information about parking.",
        "According to the provided context, this is not mentioned.",
        "Unfortunately, the sources contain no information on parking.",
        "The notice period is not mentioned in the documents.",
        "The notice period is not covered by the documents.",
        "The question cannot be answered from the sources.",
        "There is not enough information to answer.",
        "No information about parking is given.",
        "No mention of parking.",
        "No information about parking.",
        "It isn't mentioned in the documents.",
        "It’s not stated.",
        "I’m not able to answer this.",
        "There’s no mention of it.",
        "The answer is not in the documents.",
        "I could not find any information about it.",
        "**The documents do not say.**",
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
        "It is not covered.",
        "Not covered",
        "That is not provided by the company.",
        "This is not contained in the price.",
        "Calls are not answered on Sundays.",
        "No information about customers may be given by phone.",
        "There is no information desk on Saturdays.",
        "Not said aloud, the password is typed.",
        "The documents say no more than 16 people may enter.",
        "The documents do not have to be signed.",
        "No documents are needed.",
        "Based on the documents, the fee is 5 euros.",
        "Leave is 27 days which is not stated in the documents.",
    ],
)
def test_answers_are_none(sentence: str) -> None:
    assert not is_abstention(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        ABSTENTION,
        "None of the documents mention the notice period.",
        "The context does not contain enough information.",
        "It is not stated in the sources.",
        "This can't be answered from the provided sources.",
        "Based on the documents, there is no information about parking.",
    ],
)
def test_a_sentence_about_the_documents_abstains_whatever_it_names(sentence: str) -> None:
    assert is_abstention(sentence, names_source=True)


@pytest.mark.parametrize(
    "sentence",
    [
        "It is not covered.",
        "Not stated.",
        "Unknown",
        "There is no information about customers on the label.",
        "I do not know.",
        "The document does not cover water damage.",
        "The documents do not say how, but they say when: at 9:30.",
    ],
)
def test_any_other_sentence_that_names_a_source_is_an_answer(sentence: str) -> None:
    assert not is_abstention(sentence, names_source=True)
