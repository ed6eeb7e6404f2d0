from collections.abc import Callable

from tunesmith.evaluate.report import EvaluationReport

GOOD, POOR = (0.95, 1.0, 0.95), (0.1, 1.0, 0.3)

Simulate = Callable[..., EvaluationReport]
Outcomes = Callable[..., EvaluationReport]
COSTLESS = "Fine-tuning for the form costs no accuracy."


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
    found = {each.theory: each for each in simulate({"rag": GOOD, "hybrid": GOOD}).expectations}
    assert found[COSTLESS].outcome == "as expected"
    assert "With 80 questions a loss of 5 points is ruled out." in found[COSTLESS].measured


def test_fewer_questions_confirm_nothing(outcomes: Outcomes) -> None:
    for num, outcome in ((10, "cannot be told"), (60, "cannot be told"), (100, "as expected")):
        report = outcomes({"rag": [True] * num, "hybrid": [True] * num})
        found = {each.theory: each for each in report.expectations}[COSTLESS]
        assert found.outcome == outcome
        assert (
            f"With {num} questions" in found.measured
            or f"cannot be told with {num} questions" in found.measured
        )


def test_a_measured_loss_is_never_as_expected(outcomes: Outcomes) -> None:
    # 2 points of 400, and the interval rules 5 out: it costs little, but not nothing.
    report = outcomes({"rag": [True] * 400, "hybrid": [n >= 8 for n in range(400)]})
    found = {each.theory: each for each in report.expectations}[COSTLESS]
    assert found.outcome == "otherwise"
    assert "ruled out" not in found.measured
