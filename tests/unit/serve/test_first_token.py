from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram
from ray.serve.autoscaling_policy import _apply_autoscaling_config
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from tunesmith.serve.first_token import FIRST_TOKEN, WINDOW_SECONDS, FirstTokenPolicy, FirstTokens


class Engine:
    """vLLM's histogram, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self._registry = CollectorRegistry()
        self._histogram = Histogram(
            "vllm:time_to_first_token_seconds",
            "",
            ["model_name"],
            buckets=(0.01, 0.1, 0.5, 1, 5),
            registry=self._registry,
        )
        self.first_tokens = FirstTokens(self._registry.collect, now=lambda: self.now)

    def asked(self, *seconds: float, engine: str = "tiny") -> None:
        for each in seconds:
            self._histogram.labels(engine).observe(each)


def test_nine_of_ten_requests_of_the_last_half_minute() -> None:
    engine = Engine()
    assert engine.first_tokens.slowest() == 0.0, "nobody asked"
    engine.asked(*[0.05] * 9, 0.4)
    assert engine.first_tokens.slowest() == pytest.approx(0.1)
    engine.asked(*[0.4] * 10, engine="another")
    # Eighteen of twenty: nine below 0.1, and nine of the eleven from there to 0.5.
    assert engine.first_tokens.slowest() == pytest.approx(0.1 + 0.4 * 9 / 11)
    engine.now = WINDOW_SECONDS - 1
    assert engine.first_tokens.slowest() > 0
    engine.now = 2 * WINDOW_SECONDS
    assert engine.first_tokens.slowest() == 0.0, "what is long ago does not count"
    engine.asked(60, 60)
    assert engine.first_tokens.slowest() == 5, "of what is slower than the last bound nothing more is known"


def context(
    first_token: list[float], *, requests: float = 0, replicas: int = 2, **state: Any
) -> AutoscalingContext:
    config = AutoscalingConfig(
        min_replicas=1, max_replicas=8, target_ongoing_requests=10, upscale_delay_s=0, downscale_delay_s=0
    )
    told: Any = {FIRST_TOKEN: {str(index): seconds for index, seconds in enumerate(first_token)}}
    return AutoscalingContext(
        deployment_id=None, deployment_name="engine", app_name="engine", current_num_replicas=replicas,
        target_num_replicas=replicas, running_replicas=[], total_num_requests=requests, total_queued_requests=0,
        aggregated_metrics=told, raw_metrics=None, capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=8, policy_state=state, last_scale_up_time=None, last_scale_down_time=None,
        current_time=None, config=config,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first_token", "requests", "wanted"),
    [
        ([0.1, 0.1], 20, 2),  # both are at ease
        ([0.1, 0.1], 50, 5),  # requests alone ask for more
        ([3.0, 3.0], 20, 3),  # late: half as many again
        ([3.0, 0.0], 20, 3),  # nobody asked the second one
        ([60.0, 60.0], 20, 4),  # however late, no more than twice as many at once
        ([3.0, 3.0], 80, 8),  # whichever asks for more
        ([1.5, 1.5], 1, 2),  # in time, but not by much: none goes
        ([0.4, 0.4], 1, 1),  # fast enough for one to go
        ([0.0, 0.0], 0, 1),  # nobody asks
    ],
)
def test_late_first_tokens_ask_for_replicas(first_token: list[float], requests: float, wanted: int) -> None:
    """As Serve calls a policy, with its own bounds and delays around it."""
    decide = _apply_autoscaling_config(FirstTokenPolicy(target_seconds=2.0))
    decided, _ = decide(context(first_token, requests=requests))
    assert decided == wanted


def test_a_replica_that_has_not_told_anything_yet_is_not_slow() -> None:
    decided, _ = FirstTokenPolicy(target_seconds=2.0)(context([], requests=20))
    assert decided == 2
