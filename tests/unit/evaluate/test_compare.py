from collections.abc import Callable

import pytest

from tunesmith.evaluate.report import EvaluationReport

Simulate = Callable[..., EvaluationReport]
Outcomes = Callable[..., EvaluationReport]


def test_rates_count_only_where_they_apply(simulate: Simulate) -> None:
    base, rag = simulate({"base": (0.5, 1.0, 0.5), "rag": (1.0, 1.0, 1.0)}).figures
    assert base.rates["citation_correct"] is None
    assert [rag.rates[metric].num for metric in ("answer_accuracy", "abstention_correct", "form_valid")] == [
        80,
        20,
        100,
    ]  # type: ignore[union-attr]
    assert rag.rates["citation_correct"].value == 1.0  # type: ignore[union-attr]
    assert 40 <= rag.latency_p50_ms.value <= rag.latency_p95_ms.value <= 60  # type: ignore[union-attr]
    assert rag.prompt_tokens.value == 120  # type: ignore[union-attr]


def test_a_difference_is_that_of_the_rates(simulate: Simulate) -> None:
    report = simulate({"base": (0.3, 1.0, 0.5), "rag": (0.9, 1.0, 0.9)})
    rates = {figure.arm.name: figure.rates["answer_accuracy"] for figure in report.figures}
    (difference,) = (c.difference for c in report.comparisons if c.metric == "answer_accuracy")
    assert abs(difference.value - (rates["rag"].value - rates["base"].value)) < 1e-9  # type: ignore[union-attr]
    assert difference.excludes_zero


@pytest.mark.parametrize(("gained", "measurable"), [(4, False), (5, False), (6, True)])
def test_few_differences_are_measured_by_an_exact_test(
    outcomes: Outcomes, gained: int, measurable: bool
) -> None:
    report = outcomes({"base": [False] * 60, "rag": [n < gained for n in range(60)]})
    (found,) = (c for c in report.comparisons if c.metric == "useful")
    assert (found.gained, found.lost, found.measurable) == (gained, 0, measurable)
    assert found.p_value == 2 * 0.5**gained


def test_one_question_measures_nothing(outcomes: Outcomes) -> None:
    report = outcomes({"base": [False], "rag": [True]})
    assert not any(comparison.measurable for comparison in report.comparisons)
    assert report.decision.arm == "base"


def test_failed_requests_are_counted(outcomes: Outcomes) -> None:
    base, rag = outcomes({"base": [True] * 40, "rag": [None] * 3 + [True] * 37}).figures
    assert [(each.num_asked, each.num_errors, each.trusted) for each in (base, rag)] == [
        (40, 0, True),
        (40, 3, False),
    ]
    assert rag.rates["false_abstention"].num == 37  # type: ignore[union-attr]


def test_pairs_without_a_shared_metric_are_left_out(simulate: Simulate) -> None:
    report = simulate({"base": (0.5, 1.0, 0.5), "rag": (0.5, 1.0, 0.5)})
    assert "citation_correct" not in {comparison.metric for comparison in report.comparisons}
