from collections.abc import Callable

from tunesmith.evaluate.report import EvaluationReport

GOOD, POOR = (0.95, 1.0, 0.95), (0.1, 1.0, 0.3)

Simulate = Callable[..., EvaluationReport]


def test_theory_that_holds_needs_no_examples(simulate: Simulate) -> None:
    (found,) = simulate({"base": POOR, "rag": GOOD}).expectations
    assert (found.outcome, found.examples) == ("as expected", ())
    assert "rag raises right answers against base" in found.measured.replace("Rag", "rag")


def test_theory_that_fails_shows_why(simulate: Simulate) -> None:
    (found,) = simulate({"base": GOOD, "rag": POOR}).expectations
    assert found.outcome == "otherwise"
    assert len(found.examples) == 3
    example = found.examples[0]
    assert set(example.said) == {"base", "rag"}
    assert example.causes == {"base": "right", "rag": "wrong value, though the evidence was shown"}


def test_equal_arms_are_neither(simulate: Simulate) -> None:
    (found,) = simulate({"base": (0.5, 1.0, 0.5), "rag": (0.5, 1.0, 0.5)}).expectations
    assert found.outcome == "no measurable difference"


def test_no_worse_is_enough_where_theory_asks_no_more(simulate: Simulate) -> None:
    outcomes = {e.theory: e.outcome for e in simulate({"rag": GOOD, "hybrid": GOOD}).expectations}
    assert outcomes["Fine-tuning for the form costs no accuracy."] == "as expected"
