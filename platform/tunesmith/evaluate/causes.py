"""Why an answer came out as it did: one cause per answer, from what was asked, shown and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tunesmith.evaluate.arms import Arm
from tunesmith.evaluate.compare import ScoredAnswer
from tunesmith.evaluate.match import is_evidence
from tunesmith.rag.forms import parse_answer

CAUSES = {
    "right": "right",
    "right_refusal": "rightly refused",
    "not_retrieved": "search did not find the evidence",
    "refused_though_shown": "refused, though the evidence was shown",
    "withheld": "withheld, for no source supports what the model said",
    "wrong_though_shown": "wrong value, though the evidence was shown",
    "refused_unjudged": "refused; the questions do not say where the evidence stands",
    "wrong_unjudged": "wrong value; the questions do not say where the evidence stands",
    "refused_unshown": "refused, without sources",
    "wrong_unshown": "wrong value, without sources",
    "answered_unanswerable": "answered what the documents do not say",
    "unreadable": "no readable answer (broken or cut JSON)",
    "error": "the request failed",
}
"""Cause -> plain words, best first."""


def find_cause(row: ScoredAnswer) -> str:
    """Name the cause of one outcome.

    Args:
        row: a scored answer.

    Returns:
        A key of CAUSES.
    """
    parsed = parse_answer(row.answer.text)
    if row.answer.error is not None:
        return "error"
    if row.scores.answer_accuracy:
        return "right"
    if row.scores.abstention_correct:
        return "right_refusal"
    if not parsed.abstained and not parsed.answer:
        return "unreadable"
    if not row.sample.answerable:
        return "answered_unanswerable"
    if row.answer.withheld is not None:
        return "withheld"
    if not row.arm.retrieves:
        return "refused_unshown" if parsed.abstained else "wrong_unshown"
    shown = was_shown(row)
    if shown is None:
        return "refused_unjudged" if parsed.abstained else "wrong_unjudged"
    if not shown:
        return "not_retrieved"
    return "refused_though_shown" if parsed.abstained else "wrong_though_shown"


def was_shown(row: ScoredAnswer) -> bool | None:
    """Whether the evidence was among the sources that the model saw.

    Args:
        row: a scored answer.

    Returns:
        True if a source of the right document holds the evidence or the answer; None if the question file does
        not say where that is.
    """
    if not row.sample.has_evidence:
        return None
    return any(is_evidence(source.document, source.text, row.sample) for source in row.answer.sources)


def count_causes(arm: Arm, scored: Sequence[ScoredAnswer]) -> dict[str, int]:
    """Count the causes of one arm.

    Args:
        arm: the arm.
        scored: all answers.

    Returns:
        Cause -> number of answers, best first; causes that did not occur are left out.
    """
    counted = Counter(find_cause(row) for row in scored if row.arm == arm)
    return {cause: counted[cause] for cause in CAUSES if counted[cause]}
