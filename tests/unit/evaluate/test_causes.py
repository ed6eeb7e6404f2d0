from dataclasses import replace

import pytest

from tunesmith.evaluate.arms import Arm
from tunesmith.evaluate.ask import ArmAnswer, ShownSource
from tunesmith.evaluate.causes import CAUSES, find_cause
from tunesmith.evaluate.compare import ScoredAnswer
from tunesmith.evaluate.samples import Sample
from tunesmith.evaluate.scorers import score_answer

SAMPLE = Sample("a", "How much leave?", "27 days", (), "leave.md", "Staff receive 27 days of leave.")
NONE = Sample("u", "Who wrote the rules?", None)
SHOWN = (ShownSource(1, "leave.md", "Staff receive 27 days of leave."),)
RAG, ALONE = Arm("rag", "tiny", ("documents",)), Arm("base", "tiny")


@pytest.mark.parametrize(
    ("sample", "arm", "text", "sources", "cause"),
    [
        (SAMPLE, RAG, "27 days [1]", SHOWN, "right"),
        (NONE, RAG, "The documents do not say.", SHOWN, "right_refusal"),
        (SAMPLE, RAG, "9 days", (), "not_retrieved"),
        (SAMPLE, RAG, "The documents do not say.", (), "not_retrieved"),
        (SAMPLE, RAG, "The documents do not say.", SHOWN, "refused_though_shown"),
        (SAMPLE, RAG, "9 days", SHOWN, "wrong_though_shown"),
        (SAMPLE, ALONE, "The documents do not say.", (), "refused_unshown"),
        (SAMPLE, ALONE, "9 days", (), "wrong_unshown"),
        (NONE, RAG, "9 days", SHOWN, "answered_unanswerable"),
        (SAMPLE, RAG, '{"answer": "27', SHOWN, "unreadable"),
    ],
)
def test_each_outcome_has_its_cause(
    sample: Sample, arm: Arm, text: str, sources: tuple[ShownSource, ...], cause: str
) -> None:
    answer = ArmAnswer(sample.id, arm.name, text, 1.0, 1, 1, sources)
    assert find_cause(ScoredAnswer(sample, arm, answer, score_answer(sample, arm, answer))) == cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [("27 days", "right"), ("9 days", "wrong_unjudged"), ("The documents do not say.", "refused_unjudged")],
)
def test_without_document_and_evidence_no_miss_is_blamed_on_search(text: str, cause: str) -> None:
    sample = Sample("a", "How much leave?", "27 days")
    answer = ArmAnswer("a", "rag", text, 1.0, 1, 1, SHOWN)
    assert find_cause(ScoredAnswer(sample, RAG, answer, score_answer(sample, RAG, answer))) == cause


def test_evidence_alone_tells_what_was_shown() -> None:
    sample = replace(SAMPLE, document=None)
    for sources, cause in ((SHOWN, "wrong_though_shown"), ((), "not_retrieved")):
        answer = ArmAnswer("a", "rag", "9 days", 1.0, 1, 1, sources)
        assert find_cause(ScoredAnswer(sample, RAG, answer, score_answer(sample, RAG, answer))) == cause


def test_a_failure_is_not_called_a_refusal() -> None:
    assert "refus" not in CAUSES["error"]


def test_what_was_withheld_is_told_from_what_the_model_refused() -> None:
    answer = replace(ArmAnswer("a", "rag", "The documents do not say.", 1.0, 1, 1, SHOWN), withheld="9 days")
    assert find_cause(ScoredAnswer(SAMPLE, RAG, answer, score_answer(SAMPLE, RAG, answer))) == "withheld"
    silent = replace(SAMPLE, answer=None)
    scores = score_answer(silent, RAG, answer)
    assert find_cause(ScoredAnswer(silent, RAG, answer, scores)) == "right_refusal"


def test_a_failed_request_is_its_own_cause() -> None:
    answer = replace(ArmAnswer("a", "rag", "", 0.0, 0, 0), error="too long")
    assert find_cause(ScoredAnswer(SAMPLE, RAG, answer, score_answer(SAMPLE, RAG, answer))) == "error"
