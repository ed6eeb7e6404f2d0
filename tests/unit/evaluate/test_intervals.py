import random

import pytest

from tunesmith.evaluate.intervals import bootstrap, mean, percentile, wilson


@pytest.mark.parametrize(
    ("right", "num", "low", "high"),
    # Values of Wilson's formula as printed by R: prop.test(x, n, correct = FALSE).
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (8, 10, 0.4902, 0.9433), (50, 100, 0.4038, 0.5962)],
)
def test_wilson(right: int, num: int, low: float, high: float) -> None:
    interval = wilson(right, num, confidence=0.95)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert interval.value == right / num


def test_a_bootstrap_of_means_covers_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(1)
    covered = 0
    for trial in range(200):
        values = [chance.random() for _ in range(60)]
        interval = bootstrap(values, mean, confidence=0.9, num_resamples=300, seed=trial)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.82 <= covered / 200 <= 0.97


def test_a_percentile_of_equal_values_is_sure() -> None:
    interval = bootstrap([3.0] * 9, percentile(0.95), confidence=0.95, num_resamples=100, seed=1)
    assert (interval.low, interval.value, interval.high) == (3.0, 3.0, 3.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    one, other = (
        bootstrap(values, percentile(0.5), confidence=0.95, num_resamples=200, seed=4) for _ in range(2)
    )
    assert one == other
    assert one.value == 3.0
