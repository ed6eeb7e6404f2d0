from dataclasses import replace

import pytest

from tunesmith.evaluate.arms import Arm
from tunesmith.evaluate.ask import ArmAnswer, ShownCitation, ShownSource
from tunesmith.evaluate.samples import Sample
from tunesmith.evaluate.scorers import score_answer

EVIDENCE = "Full-time staff receive 27 days of leave a year."
SAMPLE = Sample("a", "How much leave do full-time staff get?", "27 days", ("27",), "leave.md", EVIDENCE)
NONE = Sample("u", "Who wrote the rules?", None)
RAG, ALONE = Arm("rag", "tiny", ("documents",)), Arm("base", "tiny")
SOURCES = (
    ShownSource(1, "canteen.md", "It opens at 11:30."),
    ShownSource(2, "leave.md", f"{EVIDENCE} Ask HR."),
)
RIGHT = ShownCitation(2, "leave.md", EVIDENCE, "verified")
WRONG = ShownCitation(1, "canteen.md", "It opens at 11:30.", "verified")


def said(text: str, *citations: ShownCitation, sources: tuple[ShownSource, ...] = SOURCES) -> ArmAnswer:
    return ArmAnswer("a", "rag", text, 12.0, 100, 9, sources, citations)


def test_a_perfect_answer() -> None:
    scores = score_answer(SAMPLE, RAG, said('{"answer": "27 days", "sources": [2]}', RIGHT))
    assert (scores.answer_accuracy, scores.form_valid, scores.useful) == (True, True, True)
    assert (scores.citation_correct, scores.own_number_correct) == (True, True)
    assert (scores.abstention_correct, scores.false_abstention) == (None, False)


def test_prose_is_right_but_not_the_form() -> None:
    scores = score_answer(SAMPLE, RAG, said("27 days [2]", RIGHT))
    assert (scores.answer_accuracy, scores.form_valid, scores.useful) == (True, False, False)
    assert scores.own_number_correct


def test_a_mended_citation_counts_for_the_platform_and_not_for_the_model() -> None:
    scores = score_answer(
        SAMPLE, RAG, said('{"answer": "27 days", "sources": [1]}', replace(RIGHT, status="attributed"))
    )
    assert (scores.citation_correct, scores.own_number_correct) == (True, False)


@pytest.mark.parametrize("citations", [(), (WRONG,), (RIGHT, WRONG)])
def test_wrong_or_missing_citations(citations: tuple[ShownCitation, ...]) -> None:
    assert (
        score_answer(SAMPLE, RAG, said('{"answer": "27 days", "sources": []}', *citations)).citation_correct
        is False
    )


def test_a_source_of_another_document_is_no_evidence() -> None:
    sources = (ShownSource(1, "copy.md", EVIDENCE),)
    answer = said(
        '{"answer": "27 days", "sources": [1]}', replace(RIGHT, number=1, document="copy.md"), sources=sources
    )
    assert score_answer(SAMPLE, RAG, answer).citation_correct is False


@pytest.mark.parametrize(("cited", "right"), [(RIGHT, True), (WRONG, False)])
def test_without_a_document_the_evidence_is_enough(cited: ShownCitation, right: bool) -> None:
    sample = replace(SAMPLE, document=None)
    scores = score_answer(sample, RAG, said(f'{{"answer": "27 days", "sources": [{cited.number}]}}', cited))
    assert (scores.citation_correct, scores.own_number_correct) == (right, right)


def test_without_document_and_evidence_citations_cannot_be_judged() -> None:
    sample = replace(SAMPLE, document=None, evidence=None)
    scores = score_answer(sample, RAG, said('{"answer": "27 days", "sources": [2]}', RIGHT))
    assert (scores.citation_correct, scores.own_number_correct) == (None, None)
    assert scores.answer_accuracy


def test_citations_do_not_apply_without_retrieval() -> None:
    scores = score_answer(SAMPLE, ALONE, said('{"answer": "27 days", "sources": [1]}', sources=()))
    assert (scores.citation_correct, scores.own_number_correct) == (None, None)


@pytest.mark.parametrize("text", ['{"answer": null, "sources": []}', "The documents do not say."])
def test_abstaining(text: str) -> None:
    wrongly, rightly = score_answer(SAMPLE, RAG, said(text)), score_answer(NONE, RAG, said(text))
    assert (wrongly.answer_accuracy, wrongly.false_abstention, wrongly.citation_correct) == (
        False,
        True,
        None,
    )
    assert (rightly.abstention_correct, rightly.answer_accuracy) == (True, None)
    assert (wrongly.useful, rightly.useful) == (False, text.startswith("{"))


def test_an_answer_to_an_unanswerable_question_is_wrong() -> None:
    scores = score_answer(NONE, RAG, said('{"answer": "27 days", "sources": [2]}'))
    assert (scores.abstention_correct, scores.useful, scores.form_valid) == (False, False, True)


def test_a_failed_request_is_wrong_and_cites_nothing() -> None:
    scores = score_answer(SAMPLE, RAG, replace(said(""), error="too long"))
    assert (scores.answer_accuracy, scores.form_valid, scores.citation_correct) == (False, False, None)
    assert scores.false_abstention is None, "failing is no way to refuse less"
