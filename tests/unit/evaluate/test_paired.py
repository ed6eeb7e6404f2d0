import itertools
import math
import random

import pytest

from tunesmith.evaluate.paired import compare_paired, mcnemar, tango


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    # Twice the binomial tail at one half, as R's binom.test(gained, gained + lost) prints it.
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (4, 0, 0.125),
        (5, 0, 0.0625),
        (6, 0, 0.03125),
        (1, 7, 0.0703),
        (8, 0, 0.0078),
    ],
)
def test_mcnemar(gained: int, lost: int, p_value: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p_value, abs=1e-4)
    assert mcnemar(lost, gained) == mcnemar(gained, lost)


def test_many_differences_do_not_overflow() -> None:
    assert mcnemar(3000, 3000) == 1.0
    assert mcnemar(6000, 3000) < 1e-200


@pytest.mark.parametrize(
    ("gained", "lost", "num", "low", "high"),
    [
        # Bentur et al. (2009), in Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014), 2850-2875.
        (1, 7, 21, -0.517, -0.026),
        # No difference seen: z^2 / (n + z^2) to both sides.
        (0, 0, 60, -0.0602, 0.0602),
        # One question: nearly nothing is known.
        (1, 0, 1, -0.5869, 1.0),
    ],
)
def test_tango(gained: int, lost: int, num: int, low: float, high: float) -> None:
    interval = tango(gained, lost, num, confidence=0.95)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))
    turned = tango(lost, gained, num, confidence=0.95).turned
    assert (turned.low, turned.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_interval_excludes_zero_where_the_test_does_and_only_there(confidence: float) -> None:
    for gained, lost in itertools.product(range(31), repeat=2):
        if gained + lost <= 30:
            interval = compare_paired(gained, lost, 30, confidence=confidence)
            assert interval.excludes_zero == (mcnemar(gained, lost) <= 1 - confidence), (gained, lost)
            assert -1 <= interval.low <= interval.value <= interval.high <= 1


@pytest.mark.parametrize(("gained", "num"), [(1, 1), (2, 2), (4, 60), (5, 60)])
def test_few_one_sided_differences_are_not_measurable(gained: int, num: int) -> None:
    interval = compare_paired(gained, 0, num, confidence=0.95)
    assert not interval.excludes_zero
    assert interval.low <= 0 < interval.value < interval.high or interval.high == 1


def test_equal_answers_are_no_proof_of_equality() -> None:
    few, many = (compare_paired(0, 0, num, confidence=0.95) for num in (10, 1000))
    assert few.high - few.low > 0.5
    assert 0 < many.high - many.low < 0.01


def _share(gained: float, lost: float, num: int, *, counts: object) -> float:
    """Probability that a draw of num questions falls into the counted outcomes, by adding up all of them."""
    total = 0.0
    for up, down in itertools.product(range(num + 1), repeat=2):
        if up + down <= num and counts(up, down):  # type: ignore[operator]
            ways = math.comb(num, up) * math.comb(num - up, down)
            total += ways * gained**up * lost**down * (1 - gained - lost) ** (num - up - down)
    return total


@pytest.mark.parametrize(
    ("gained", "lost"), [(0.02, 0.02), (0.05, 0.0), (0.1, 0.02), (0.2, 0.2), (0.0, 0.3), (0.01, 0.0)]
)
def test_it_covers_the_truth_as_often_as_it_says(gained: float, lost: float) -> None:
    def covers(up: int, down: int) -> bool:
        interval = compare_paired(up, down, 30, confidence=0.95)
        return interval.low <= gained - lost <= interval.high

    # A score interval is approximate: between 0.93 and 1, where the percentile bootstrap falls to 0.26 (0.01, 0.0).
    assert _share(gained, lost, 30, counts=covers) >= 0.925


@pytest.mark.parametrize("split", [0.01, 0.05, 0.2, 0.5])
def test_equal_arms_are_seldom_told_apart(split: float) -> None:
    def measurable(up: int, down: int) -> bool:
        return compare_paired(up, down, 30, confidence=0.95).excludes_zero

    assert _share(split / 2, split / 2, 30, counts=measurable) <= 0.05


def test_drawn_sparse_answers_are_covered() -> None:
    chance = random.Random(7)
    covered = 0
    for _ in range(1000):
        drawn = chance.choices((1, -1, 0), weights=(4, 1, 95), k=60)
        interval = compare_paired(drawn.count(1), drawn.count(-1), 60, confidence=0.95)
        covered += interval.low <= 0.03 <= interval.high
    assert covered / 1000 >= 0.94
