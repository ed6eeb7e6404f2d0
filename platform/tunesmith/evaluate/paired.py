"""How sure the difference of two rates on the same questions is: exact McNemar test, Tango's score interval.

Only questions that one arm got and the other did not say which is better: `gained` and `lost`.

                    baseline right    baseline wrong
    arm right       both              gained
    arm wrong       lost              neither

The test decides what is measurable, the interval says how large the difference may be, and where the interval
alone would claim more than the test, it gives way: see docs/decisions/0008.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

from tunesmith.evaluate.intervals import Interval

_HALVINGS = 60
"""Bisections of a bound: from a width of 2 to beyond what a float tells apart."""


def compare_paired(gained: int, lost: int, num: int, *, confidence: float) -> Interval:
    """Interval of a paired difference that excludes zero only if the exact test does.

    The score interval is approximate and the test exact, so that the interval may exclude zero where the test
    cannot tell the rates apart (5 gained, 0 lost: p = 0.06). Then its nearer bound is moved out to zero, which
    only makes it wider and its coverage larger.

    Args:
        gained: questions that only the arm got.
        lost: questions that only the baseline got.
        num: all questions; at least 1.
        confidence: level, such as 0.95.

    Returns:
        The difference of the rates, arm minus baseline, with its interval.
    """
    interval = tango(gained, lost, num, confidence=confidence)
    if mcnemar(gained, lost) <= 1 - confidence:
        return interval
    return replace(interval, low=min(interval.low, 0.0), high=max(interval.high, 0.0))


def mcnemar(gained: int, lost: int) -> float:
    """Exact conditional McNemar test (McNemar 1947), which is the sign test: two-sided, by doubling.

    Args:
        gained: questions that only the arm got.
        lost: questions that only the baseline got.

    Returns:
        The p value: how often equal arms would split their gained and lost questions at least as unevenly.
    """
    split, most = gained + lost, max(gained, lost)
    ways, tail = math.comb(split, most), 0
    for number in range(most, split + 1):
        tail += ways
        ways = ways * (split - number) // (number + 1)  # from C(split, number) to the next, exactly
    return min(1.0, 2 * tail / (1 << split))


def tango(gained: int, lost: int, num: int, *, confidence: float) -> Interval:
    """Score interval of a difference of paired proportions; holds for few and for one-sided differences.

    Tango, T. (1998). Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design. Statistics in Medicine 17, 891-908. The differences d are in it for which
    |gained - lost - num d| / sqrt(num (2 q + d (1 - d))) is at most the normal quantile, where q is the most
    likely share of lost questions if d were the truth.

    Args:
        gained: questions that only the arm got.
        lost: questions that only the baseline got.
        num: all questions; at least 1.
        confidence: level.

    Returns:
        The difference with its interval.
    """
    squared = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2

    def holds(difference: float) -> bool:
        off = gained - lost - num * difference
        return off * off <= squared * _variance(difference, gained, lost, num)

    value = (gained - lost) / num
    return Interval(value, _furthest(holds, value, -1.0), _furthest(holds, value, 1.0), num)


def _variance(difference: float, gained: int, lost: int, num: int) -> float:
    # q, the most likely share of lost questions at this difference, solves 2 num q^2 + b q + c = 0.
    b = (2 * num - gained + lost) * difference - gained - lost
    c = -lost * difference * (1 - difference)
    q = (math.sqrt(max(0.0, b * b - 8 * num * c)) - b) / (4 * num)
    return num * (2 * q + difference * (1 - difference))


def _furthest(holds: Callable[[float], bool], inside: float, end: float) -> float:
    if holds(end):
        return end
    outside = end
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside
