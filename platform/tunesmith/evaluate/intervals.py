"""How sure a figure is: Wilson intervals for rates, bootstrap intervals for latency and tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its confidence interval.

    Attributes:
        value: what was measured.
        low: lower bound.
        high: upper bound.
        num: how many measurements it rests on.
    """

    value: float
    low: float
    high: float
    num: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0

    @property
    def turned(self) -> Interval:
        """The same difference, seen from the other side."""
        return Interval(-self.value, -self.high, -self.low, self.num)


def wilson(num_right: int, num: int, *, confidence: float) -> Interval:
    """Interval of a rate (Wilson 1927); holds near 0 and 1 and for few samples too.

    Args:
        num_right: how many were right.
        num: of how many; at least 1.
        confidence: level, such as 0.95.

    Returns:
        The rate with its interval.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = num_right / num
    middle = (rate + z * z / (2 * num)) / (1 + z * z / num)
    half = z / (1 + z * z / num) * math.sqrt(rate * (1 - rate) / num + z * z / (4 * num * num))
    return Interval(rate, max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half)), num)


def bootstrap(
    values: Sequence[float],
    statistic: Callable[[Numbers], Numbers],
    *,
    confidence: float,
    num_resamples: int,
    seed: int,
) -> Interval:
    """Percentile bootstrap interval (Efron 1979).

    Args:
        values: measurements, at least 1.
        statistic: from (resamples, values) to (resamples,), along the last axis.
        confidence: level.
        num_resamples: resamples drawn.
        seed: of the draw.

    Returns:
        The statistic of the values with its interval.
    """
    measured = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(measured), size=(num_resamples, len(measured)))
    drawn = statistic(measured[picks])
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(statistic(measured[None, :])[0]), float(low), float(high), len(measured))


def mean(rows: Numbers) -> Numbers:
    """Mean of each row."""
    averaged: Numbers = rows.mean(axis=-1)
    return averaged


def percentile(share: float) -> Callable[[Numbers], Numbers]:
    """Make a statistic.

    Args:
        share: 0.5 for the median.

    Returns:
        A function from rows to the percentile of each.
    """

    def take(rows: Numbers) -> Numbers:
        taken: Numbers = np.quantile(rows, share, axis=-1)
        return taken

    return take
