from collections.abc import Callable

import pytest

from tunesmith.evaluate.report import EvaluationReport

Outcomes = Callable[..., EvaluationReport]
SEEN = range(30)


def reasons_of(report: EvaluationReport, question: str) -> list[str]:
    return [reason for reason in report.decision.reasons if reason.startswith(question)]


@pytest.mark.parametrize(
    ("tuned", "said"),
    [
        ([n < 25 for n in range(90)], "a measurable gain on seen ones only"),
        ([n < 80 for n in range(90)], "a measurable gain on seen and unseen ones"),
        ([n >= 50 for n in range(90)], "a measurable gain on unseen ones only"),
        ([False] * 90, "no measurable difference on either"),
    ],
)
def test_a_gain_on_seen_facts_is_told_from_one_on_others(
    outcomes: Outcomes, tuned: list[bool], said: str
) -> None:
    report = outcomes({"base": [False] * 90, "tuned": tuned}, seen=SEEN)
    (reason,) = reasons_of(report, "Does fine-tuning help beyond the facts that it has seen (tuned")
    assert said in reason
    assert "Right answers: seen (30) " in reason
    assert "; unseen (60) " in reason


def test_a_loss_is_said_too(outcomes: Outcomes) -> None:
    rag = [n >= 30 for n in range(90)]
    report = outcomes({"rag": rag, "hybrid": [not right for right in rag]}, seen=SEEN)
    (reason,) = reasons_of(report, "Does fine-tuning help beyond the facts that it has seen (hybrid")
    assert "a measurable gain on seen ones only, a measurable loss on unseen ones only" in reason


@pytest.mark.parametrize("seen", [range(0), range(90)])
def test_without_both_kinds_there_is_nothing_to_tell_apart(outcomes: Outcomes, seen: range) -> None:
    report = outcomes({"base": [False] * 90, "tuned": [True] * 90}, seen=seen)
    assert not reasons_of(report, "Does fine-tuning help beyond")


def test_the_cost_says_which_figure_is_which(outcomes: Outcomes) -> None:
    (cost,) = reasons_of(outcomes({"base": [True] * 9}), "What does a question cost?")
    assert "Median latency and mean prompt tokens: base 50 ms and 120 tokens." in cost
