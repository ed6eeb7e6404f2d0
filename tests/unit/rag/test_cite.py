from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.rag.cite import check_answer
from tunesmith.rag.forms import say_house
from tunesmith.records import Answer, Chunk, Hit, Source

LEAVE = (
    "Leave is for everyone. Full-time staff receive 27 days of leave a year. Requests go to the team lead."
)
CANTEEN = "The canteen opens at 11:30. Lunch costs 4.50 euros."
QUESTION = "How many days of leave do full-time staff get?"


@pytest.fixture
def sources(source: Callable[..., Source]) -> tuple[Source, ...]:
    return source(1, CANTEEN, document="canteen.md"), source(2, LEAVE, start=1000)


def cited(answer: Answer) -> list[tuple[int, str]]:
    return [(citation.number, citation.status) for citation in answer.citations]


@pytest.mark.parametrize(
    "text", ["27 days [2]", "27 days [2].", "27 days. [2]", '{"answer": "27 days", "sources": [2]}']
)
def test_a_right_citation_is_verified(text: str, sources: tuple[Source, ...]) -> None:
    answer = check_answer(text, sources, question=QUESTION)
    assert cited(answer) == [(2, "verified")]
    assert answer.text == text
    assert answer.citations[0].text == "Full-time staff receive 27 days of leave a year."
    assert answer.citations[0].start == 1000 + LEAVE.index("Full-time")


@pytest.mark.parametrize(
    "text",
    [
        "Yes, full-time staff get 27 days [2].",
        "According to [2], full-time staff get 27 days.",
        "According to source [2], it is 27 days of leave.",
        "Source [2] says full-time staff receive 27 days.",
        "Full-time staff receive 27 days, according to [2].",
        "Full-time staff receive 27 days (source: [2]).",
        "According to the documents, full-time staff receive 27 days [2].",
        '{"answer": "27 days [2]", "sources": [2]}',
    ],
)
def test_what_leads_to_an_answer_does_not_count(text: str, sources: tuple[Source, ...]) -> None:
    assert cited(check_answer(text, sources, question=QUESTION)) == [(2, "verified")]


@pytest.mark.parametrize("text", ["It is not covered [2].", '{"answer": "not covered", "sources": [2]}'])
def test_an_answer_of_words_that_may_also_abstain_is_cited(
    text: str, source: Callable[..., Source], sources: tuple[Source, ...]
) -> None:
    insurance = source(2, "Water damage is not covered by the insurance.", document="insurance.md")
    answer = check_answer(text, (sources[0], insurance), question="Is water damage covered?")
    assert (answer.abstained, cited(answer)) == (False, [(2, "verified")])


@pytest.mark.parametrize(
    "text", ["27 days [1]", "27 days", "27 days [7]", '{"answer": "27 days", "sources": [1]}']
)
def test_a_wrong_or_missing_number_is_attributed(text: str, sources: tuple[Source, ...]) -> None:
    assert cited(check_answer(text, sources, question=QUESTION)) == [(2, "attributed")]


@pytest.mark.parametrize(
    "text", ["28 days [2]", "27 weeks [2]", "11:30 [1]", '{"answer": "the moon", "sources": [2]}']
)
def test_what_no_source_holds_is_unsupported(text: str, sources: tuple[Source, ...]) -> None:
    answer = check_answer(text, sources, question=QUESTION)
    assert not answer.citations
    assert [sentence.supported for sentence in answer.sentences] == [False]


def test_each_sentence_stands_for_itself(sources: tuple[Source, ...]) -> None:
    answer = check_answer(
        "27 days [2]. Lunch costs 4.50 euros [2]. Parking is free [1].", sources, question=QUESTION
    )
    assert [[c.status for c in sentence.citations] for sentence in answer.sentences] == [
        ["verified"],
        ["attributed"],
        [],
    ]


def test_an_abstention_has_nothing_to_cite(sources: tuple[Source, ...]) -> None:
    answer = check_answer("The documents do not say.", sources, question=QUESTION)
    assert (answer.abstained, answer.sentences) == (True, ())


def test_no_sources_support_nothing() -> None:
    assert not check_answer("27 days [1]", (), question=QUESTION).citations


def test_the_source_about_the_question_wins_over_one_with_the_same_value(
    source: Callable[..., Source],
) -> None:
    sources = (
        source(1, "Company cars are kept for 36 months.", document="cars.md"),
        source(2, "The guarantee on a loom runs for 36 months.", document="guarantee.md"),
    )
    answer = check_answer("36 months [1]", sources, question="How long does the guarantee on a loom run?")
    assert cited(answer) == [(2, "attributed")]


WORDS = "leave days staff canteen loom opens costs lead year guarantee 27 14 4.50 11:30 euros weeks"
words = st.sampled_from(WORDS.split())
sentence = st.lists(words, min_size=2, max_size=8).map(lambda picked: f"The {' '.join(picked)}.")
texts = st.lists(sentence, min_size=1, max_size=4).map(" ".join)
corpora = st.lists(st.tuples(texts, st.integers(0, 500)), min_size=1, max_size=4)
values = st.lists(words, min_size=1, max_size=3).map(" ".join)


def lay(corpus: list[tuple[str, int]]) -> tuple[tuple[Source, ...], dict[str, str]]:
    """Put each text somewhere into a document of its own."""
    sources, documents = [], {}
    for number, (text, start) in enumerate(corpus, 1):
        path = f"{number}.md"
        documents[path] = "x" * start + text + " and more"
        chunk = Chunk(path, path, "", 0, start, start + len(text), text)
        sources.append(Source(number, Hit(chunk, 1.0, "documents")))
    return tuple(sources), documents


@given(corpus=corpora, value=values, number=st.integers(0, 5), question=values)
def test_offsets_are_true_and_the_span_holds_the_value(
    corpus: list[tuple[str, int]], value: str, number: int, question: str
) -> None:
    sources, documents = lay(corpus)
    for citation in check_answer(say_house(value, (number,)), sources, question=question).citations:
        assert documents[citation.document][citation.start : citation.end] == citation.text
        cited_words = citation.text.strip(".").split()
        assert all(word in cited_words for word in value.split() if word[0].isdigit())
        assert citation.status == ("verified" if citation.number == number else "attributed")


@given(
    corpus=corpora,
    value=values,
    question=values,
    number=st.integers(1, 4),
    random=st.randoms(use_true_random=False),
)
def test_permuting_sources_permutes_numbers(corpus, value, question, number, random) -> None:  # type: ignore[no-untyped-def]
    sources, _ = lay(corpus)
    order = list(range(1, len(sources) + 1))
    random.shuffle(order)
    renumber = dict(zip(range(1, len(sources) + 1), order, strict=True)) | {
        n: n for n in range(len(sources) + 1, 6)
    }
    moved = sorted((Source(renumber[s.number], s.hit) for s in sources), key=lambda s: s.number)
    before = check_answer(say_house(value, (number,)), sources, question=question)
    after = check_answer(say_house(value, (renumber[number],)), moved, question=question)
    assert [(renumber[n], status) for n, status in cited(before)] == cited(after)
    assert [c.text for c in before.citations] == [c.text for c in after.citations]


@given(corpus=corpora, value=values, number=st.integers(1, 4), question=values)
def test_the_value_taken_out_of_the_source_takes_the_citation_away(
    corpus: list[tuple[str, int]], value: str, number: int, question: str
) -> None:
    sources, _ = lay([(text.replace("27", "31"), start) for text, start in corpus])
    assert not check_answer(f"27 {value} [{number}]", sources, question=question).citations
