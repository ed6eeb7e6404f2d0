"""Scores of one answer. None means that the score does not apply, which is not the same as wrong."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tunesmith.evaluate.arms import Arm
from tunesmith.evaluate.ask import ArmAnswer
from tunesmith.evaluate.match import is_evidence, is_right
from tunesmith.evaluate.samples import Sample
from tunesmith.rag.forms import parse_answer


@dataclass(frozen=True, slots=True)
class Scores:
    """What is right about one answer.

    Attributes:
        answer_accuracy: the answer is right (answerable questions).
        form_valid: what the model said is the house form exactly (all questions).
        citation_correct: everything cited, as the platform returned it after its check, is the right document
            and holds the evidence (answered answerable questions of arms with retrieval, where the question file
            names document or evidence).
        own_number_correct: the same for the source numbers that the model itself wrote, unchecked.
        abstention_correct: the answer abstains (unanswerable questions).
        false_abstention: the answer abstains although the documents hold the answer (answerable questions whose
            request did not fail: no answer is no restraint).
        useful: right, or rightly abstaining, in the house form: what a program can use (all questions).
    """

    answer_accuracy: bool | None
    form_valid: bool
    citation_correct: bool | None
    own_number_correct: bool | None
    abstention_correct: bool | None
    false_abstention: bool | None
    useful: bool

    def value(self, metric: str) -> bool | None:
        """Look a score up by its name.

        Args:
            metric: one of the attributes.

        Returns:
            The score; None where it does not apply.
        """
        score: bool | None = getattr(self, metric)
        return score


METRICS = tuple(Scores.__dataclass_fields__)
"""Names of all scores, in the order of the report."""

HIGHER_IS_BETTER = {metric: metric != "false_abstention" for metric in METRICS}


def score_answer(sample: Sample, arm: Arm, answer: ArmAnswer) -> Scores:
    """Score one answer.

    Args:
        sample: the question with its target.
        arm: who answered.
        answer: what was said.

    Returns:
        Its scores.
    """
    parsed = parse_answer(answer.text)
    right = is_right(parsed.answer, sample) if parsed.answer and not parsed.abstained else False
    failed = answer.error is not None
    cites = (
        arm.retrieves and sample.answerable and sample.has_evidence and not parsed.abstained and not failed
    )
    good = {source.number for source in answer.sources if is_evidence(source.document, source.text, sample)}
    checked = {citation.number for citation in answer.citations}
    return Scores(
        answer_accuracy=right if sample.answerable else None,
        form_valid=parse_answer(answer.said).valid,
        citation_correct=_all_good(checked, good) if cites else None,
        own_number_correct=_all_good(parsed.numbers, good) if cites else None,
        abstention_correct=None if sample.answerable else parsed.abstained,
        false_abstention=parsed.abstained if sample.answerable and not failed else None,
        useful=parsed.valid and (right if sample.answerable else parsed.abstained),
    )


def _all_good(numbers: Collection[int], good: Collection[int]) -> bool:
    return bool(numbers) and all(number in good for number in numbers)
