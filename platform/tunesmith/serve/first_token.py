"""How long the first token takes: measured in each replica of an engine, and a reason to ask for another one.

    vLLM's histogram  -->  the slowest tenth of the last half minute  -->  the policy, beside the requests under way

Requests under way say how full an engine is, and not how slow: prompts of ten thousand tokens keep others waiting with
few of them under way.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import Metric
    from ray.serve.config import AutoscalingContext

FIRST_TOKEN = "first_token_seconds"
"""What a replica calls its measurement; 0 where nobody asked."""
WINDOW_SECONDS = 30.0
"""How far back it looks."""
SHARE = 0.9
"""Of the requests, those that had their first token within it."""

_HISTOGRAM = "vllm:time_to_first_token_seconds"
_MOST_AT_ONCE = 2.0
# Below this share of the target a replica too many may go; in between, the number stays.
_AT_EASE = 0.5


class FirstTokens:
    """Reads vLLM's histogram of this process.

    Args:
        collect: gives the process's metrics.
        now: a clock, seconds.
    """

    def __init__(
        self, collect: Callable[[], Iterable[Metric]], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._collect = collect
        self._now = now
        self._seen: deque[tuple[float, Mapping[float, float]]] = deque()

    def slowest(self) -> float:
        """Look again.

        Returns:
            Seconds within which `SHARE` of the requests of the last `WINDOW_SECONDS` had their first token, on a line
            between the bounds of vLLM's buckets; 0 where there were none.
        """
        now, counts = self._now(), self._counts()
        self._seen.append((now, counts))
        while len(self._seen) > 1 and self._seen[1][0] <= now - WINDOW_SECONDS:
            self._seen.popleft()
        before = self._seen[0][1]
        return _within({bound: count - before.get(bound, 0.0) for bound, count in counts.items()})

    def _counts(self) -> dict[float, float]:
        """Requests by the upper bound of their bucket, each bucket with those below it, over all engines."""
        counts: dict[float, float] = {}
        for metric in self._collect():
            if metric.name == _HISTOGRAM:
                for sample in metric.samples:
                    if sample.name.endswith("_bucket"):
                        bound = float(sample.labels["le"])
                        counts[bound] = counts.get(bound, 0.0) + sample.value
        return counts


def _within(counts: Mapping[float, float]) -> float:
    total = counts.get(math.inf, 0.0)
    if total <= 0:
        return 0.0
    wanted, below, count_below = SHARE * total, 0.0, 0.0
    for bound in sorted(counts):
        if counts[bound] >= wanted:
            # Of what is slower than the last bound nothing more is known.
            part = (wanted - count_below) / (counts[bound] - count_below)
            return below + part * (bound - below) if math.isfinite(bound) else below
        below, count_below = bound, counts[bound]
    return below


class FirstTokenPolicy:
    """As many replicas as the requests under way ask for, and more while first tokens come late.

    Args:
        target_seconds: within which `SHARE` of the requests shall have their first token.
    """

    def __init__(self, target_seconds: float) -> None:
        self._target = target_seconds

    def __call__(self, context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
        """Decide; Serve applies bounds and delays.

        Args:
            context: what Serve has measured.

        Returns:
            The replicas that there should be, and nothing to remember.
        """
        from ray.serve.autoscaling_policy import replica_queue_length_autoscaling_policy

        by_requests, _ = replica_queue_length_autoscaling_policy(context)
        return max(float(by_requests), self._by_first_token(context)), {}

    def _by_first_token(self, context: AutoscalingContext) -> float:
        told = (context.aggregated_metrics or {}).get(FIRST_TOKEN, {})
        slow = [seconds for seconds in told.values() if seconds > 0]
        if not slow:
            return 0.0
        ratio = sum(slow) / len(slow) / self._target
        if ratio <= _AT_EASE:
            return 0.0
        return float(context.current_num_replicas * min(max(1.0, ratio), _MOST_AT_ONCE))
