from collections.abc import Callable

from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.evaluate.report import EvaluationReport
from tunesmith.evaluate.samples import Sample

Outcomes = Callable[..., EvaluationReport]


def test_the_groups_share_out_the_answerable_questions(outcomes: Outcomes) -> None:
    report = outcomes({"base": [n % 2 == 0 for n in range(50)]}, seen=range(10))
    seen, unseen = report.groups
    assert [(each.name, each.num) for each in report.groups] == [("seen", 10), ("unseen", 40)]
    rates = [group.rates["base"]["answer_accuracy"] for group in (seen, unseen)]
    assert [(rate.value, rate.num) for rate in rates if rate] == [(0.5, 10), (0.5, 40)]


def test_unanswerable_questions_are_in_neither(
    simulate: Callable[..., EvaluationReport], samples: tuple[Sample, ...], config: EvaluateConfig
) -> None:
    seen, unseen = simulate({"base": (0.5, 1.0, 0.5)}).groups
    assert (seen.num, unseen.num) == (0, 80)
    assert seen.rates["base"] == {"answer_accuracy": None, "useful": None}
    assert seen.comparisons == ()


def test_pairs_are_compared_within_each_group(outcomes: Outcomes) -> None:
    report = outcomes({"base": [False] * 40, "tuned": [n < 20 for n in range(40)]}, seen=range(20))
    found = {
        group.name: [(c.gained, c.measurable) for c in group.comparisons if c.metric == "answer_accuracy"]
        for group in report.groups
    }
    assert found == {"seen": [(20, True)], "unseen": [(0, False)]}
