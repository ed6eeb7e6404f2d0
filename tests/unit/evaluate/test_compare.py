from collections.abc import Callable

from tunesmith.evaluate.report import EvaluationReport

Simulate = Callable[..., EvaluationReport]


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


Simulate = Callable[..., EvaluationReport]


def test_a_difference_is_that_of_the_rates(simulate: Simulate) -> None:
    report = simulate({"base": (0.3, 1.0, 0.5), "rag": (0.9, 1.0, 0.9)})
    rates = {figure.arm.name: figure.rates["answer_accuracy"] for figure in report.figures}
    (difference,) = (c.difference for c in report.comparisons if c.metric == "answer_accuracy")
    assert abs(difference.value - (rates["rag"].value - rates["base"].value)) < 1e-9  # type: ignore[union-attr]
    assert difference.excludes_zero


def test_pairs_without_a_shared_metric_are_left_out(simulate: Simulate) -> None:
    report = simulate({"base": (0.5, 1.0, 0.5), "rag": (0.5, 1.0, 0.5)})
    assert "citation_correct" not in {comparison.metric for comparison in report.comparisons}
