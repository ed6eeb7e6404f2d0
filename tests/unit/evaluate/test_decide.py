import itertools
from collections.abc import Callable

import pytest

from tunesmith.evaluate.report import EvaluationReport

Simulate = Callable[..., EvaluationReport]
GOOD, POOR, LOOSE = (0.95, 1.0, 0.95), (0.1, 1.0, 0.3), (0.95, 0.1, 0.95)
ARMS = ("base", "rag", "rag_schema", "tuned", "hybrid")


@pytest.mark.parametrize("best", ARMS)
def test_the_verdict_follows_the_label_that_did_best(simulate: Simulate, best: str) -> None:
    report = simulate({arm: GOOD if arm == best else POOR for arm in ARMS})
    assert report.decision.arm == best
    assert report.decision.verdict.startswith(f"Use {best} ")
    assert not report.decision.runners_up


@pytest.mark.parametrize("pair", list(itertools.combinations(ARMS, 2)))
def test_of_two_equally_good_arms_the_cheaper_is_taken(simulate: Simulate, pair: tuple[str, str]) -> None:
    cheaper, dearer = pair
    report = simulate({arm: GOOD if arm in pair else POOR for arm in ARMS})
    assert report.decision.arm == cheaper
    assert report.decision.runners_up == (dearer,)


def test_equal_arms_have_no_measurable_difference(simulate: Simulate) -> None:
    verdict = simulate(dict.fromkeys(ARMS, (0.7, 1.0, 0.7))).decision
    assert verdict.arm == "base"
    assert "No measurable difference" in verdict.verdict
    assert "take the cheaper" in verdict.verdict


def test_chance_alone_seldom_makes_the_dearer_arm_win(simulate: Simulate) -> None:
    equal = {"base": (0.7, 1.0, 0.7), "rag": (0.7, 1.0, 0.7)}
    taken = [simulate(equal, seed=seed, alike=False).decision.arm for seed in range(40)]
    assert taken.count("base") >= 35


def test_the_cheaper_way_to_the_form_wins_where_it_answers_as_well(simulate: Simulate) -> None:
    report = simulate({"base": POOR, "rag": LOOSE, "rag_schema": GOOD, "tuned": POOR, "hybrid": GOOD})
    assert report.decision.arm == "rag_schema"


def test_training_wins_where_the_form_needs_it(simulate: Simulate) -> None:
    report = simulate(
        {"base": POOR, "rag": LOOSE, "rag_schema": (0.3, 1.0, 0.9), "tuned": POOR, "hybrid": GOOD}
    )
    assert report.decision.arm == "hybrid"
    assert any(
        "Does fine-tuning teach the form? Hybrid raises" in r.replace("hybrid", "Hybrid")
        for r in report.decision.reasons
    )


def test_no_good_arm_is_said_to_be_none(simulate: Simulate) -> None:
    assert "No arm is good enough yet" in simulate(dict.fromkeys(ARMS, POOR)).decision.verdict


def test_figures_in_the_verdict_are_those_measured(simulate: Simulate) -> None:
    report = simulate({"base": POOR, "rag": GOOD})
    rate = next(figure for figure in report.figures if figure.arm.name == "rag").rates["useful"]
    assert rate is not None
    assert f"{100 * rate.value:.0f}% of 100 questions" in report.decision.verdict
