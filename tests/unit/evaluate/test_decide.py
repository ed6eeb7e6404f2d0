import itertools
import random
from collections.abc import Callable

import pytest

from tunesmith.evaluate.report import EvaluationReport

Simulate = Callable[..., EvaluationReport]
Outcomes = Callable[..., EvaluationReport]
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


def test_an_arm_that_another_beats_is_not_taken_though_the_best_does_not_beat_it(outcomes: Outcomes) -> None:
    base = [n < 50 for n in range(100)]
    schema = [n < 58 for n in range(100)]
    hybrid = [n < 30 or 50 <= n < 80 for n in range(100)]
    decision = outcomes({"base": base, "rag_schema": schema, "hybrid": hybrid}).decision
    assert (decision.arm, decision.runners_up) == ("rag_schema", ("hybrid",))
    assert (
        "No measurable difference to hybrid (60%; +2 points, -11 to 15): take the cheaper."
        in decision.verdict
    )
    assert "Measurably worse than rag_schema: base (50%; -8 points, -15 to -4)." in decision.verdict


def test_an_arm_is_always_taken_and_nothing_beats_it(outcomes: Outcomes) -> None:
    chance = random.Random(3)
    for _ in range(40):
        skills = {arm: chance.random() for arm in ARMS}
        report = outcomes(
            {arm: [chance.random() < skill for _ in range(30)] for arm, skill in skills.items()}
        )
        chosen, useful = report.decision.arm, [c for c in report.comparisons if c.metric == "useful"]
        beaten = {c.arm if c.difference.value < 0 else c.baseline for c in useful if c.measurable}
        assert chosen == next(arm for arm in ARMS if arm not in beaten)
        assert set(report.decision.runners_up) == set(ARMS) - beaten - {chosen}
        assert all(f"{arm} (" in report.decision.verdict for arm in ARMS)


def test_the_verdict_names_the_model(simulate: Simulate) -> None:
    decision = simulate({"base": POOR, "hybrid": GOOD}).decision
    assert decision.model == "ft:tiny:default:handbook:abc123"
    assert f"Its model is {decision.model}." in decision.verdict


def test_failed_requests_stand_in_the_verdict(outcomes: Outcomes) -> None:
    few = outcomes({"base": [True] * 40, "rag": [None] * 2 + [True] * 38}).decision
    assert "Failed requests, counted as wrong: rag 2 of 40." in few.verdict
    assert "not to be trusted" not in few.verdict
    many = outcomes({"base": [None] * 10 + [True] * 30, "rag": [None] * 3 + [True] * 37}).decision
    assert "base 10 of 40, rag 3 of 40." in many.verdict
    assert "the figures of base and rag are not to be trusted." in many.verdict
    assert (few.untrusted, many.untrusted) == ((), ("base", "rag"))
    assert "ailed" not in outcomes({"base": [True] * 40}).decision.verdict


def test_a_poor_choice_is_not_said_of_all_arms(outcomes: Outcomes) -> None:
    rights = {
        "base": [n % 2 == 0 and n > 0 for n in range(20)],
        "rag": [n % 2 == 1 or n == 2 for n in range(20)],
    }
    decision = outcomes(rights).decision
    assert decision.arm == "base"
    assert "No arm is good enough" not in decision.verdict
    assert "With base fewer than half of the questions get a useful answer." in decision.verdict


def test_no_good_arm_is_said_to_be_none(simulate: Simulate) -> None:
    assert "No arm is good enough yet" in simulate(dict.fromkeys(ARMS, POOR)).decision.verdict


def test_figures_in_the_verdict_are_those_measured(simulate: Simulate) -> None:
    report = simulate({"base": POOR, "rag": GOOD})
    rate = next(figure for figure in report.figures if figure.arm.name == "rag").rates["useful"]
    assert rate is not None
    assert f"{100 * rate.value:.0f}% of 100 questions" in report.decision.verdict
