"""The formulas, checked by hand, and the autoscaler's day."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tunesmith.cli.main import app
from tunesmith.config.capacity import CapacityConfig, DayConfig, LoadShape, PartSpeeds, StoreShape
from tunesmith.deploy.capacity import capacity
from tunesmith.deploy.simulate import Day, simulate_day, traffic

QUIET = DayConfig(average_requests_per_second=10, num_spikes=0, node_losses=0, max_replicas=100)


def amounts(config: CapacityConfig) -> dict[str, float]:
    return {need.what: need.amount for need in capacity(config)}


def test_by_hand() -> None:
    """100 answers/s of 1000 uncached prompt and 100 answer tokens; 10 million chunks."""
    config = CapacityConfig(
        load=LoadShape(
            requests_per_second=100,
            prompt_tokens=1000,
            answer_tokens=100,
            cached_share=0,
            chunks=10_000_000,
            jobs_per_day=2,
            tokens_per_job=36e6,
        ),
        speeds=PartSpeeds(
            prefill_tokens_per_second=10_000,
            decode_tokens_per_second=1_000,
            seconds_per_answer_token=0.01,
            gpus_per_replica=2,
            trained_tokens_per_second=1_000,
        ),
        stores=StoreShape(dimensions=1024, graph_degree=16, terms_per_chunk=100, vector_replicas=1),
        utilisation=0.5,
    )
    found = amounts(config)
    # 0.1 s of prefill and 0.1 s of decoding: 20 replica seconds a second, at half load 40 replicas.
    assert found["engine replicas"] == 40
    assert found["serving GPUs"] == 80
    assert found["answers under way"] == 110  # 100/s x (0.1 s + 100 x 0.01 s)
    # 4096 + 128 + 800 bytes a chunk.
    assert found["vectors in memory"] == pytest.approx(10_000_000 * 5024 / 2**30)
    assert found["Milvus query nodes"] == math.ceil(46.79 / 32)
    assert found["training GPU hours"] == pytest.approx(20)
    assert found["training GPUs"] == 2


@given(st.floats(0.1, 20_000), st.floats(1.1, 5))
def test_more_load_never_needs_less(rate: float, factor: float) -> None:
    small = amounts(CapacityConfig(load=LoadShape(requests_per_second=rate)))
    large = amounts(CapacityConfig(load=LoadShape(requests_per_second=rate * factor)))
    assert all(large[what] >= small[what] for what in small)


def test_traffic_has_the_average_that_was_asked_for() -> None:
    values = [traffic(QUIET, second, []) for second in range(0, 86400, 60)]
    assert sum(values) / len(values) == pytest.approx(10, rel=1e-3)
    assert max(values) / min(values) == pytest.approx(5, rel=1e-2)


def test_a_quiet_day_refuses_nobody() -> None:
    day = simulate_day(QUIET)
    assert day.refused == 0
    assert day.requests == pytest.approx(10 * 86400, rel=1e-3)
    # 16.7 requests/s at noon x 5 s under way / 16 for each replica.
    assert day.most_replicas == math.ceil(10 * 5 / 3 * 5 / 16)


def test_too_few_gpus_saturate() -> None:
    """4 replicas answer 4 x 32 / 5 s = 25.6/s; 100/s come."""
    day = simulate_day(QUIET.model_copy(update={"average_requests_per_second": 100.0, "max_replicas": 4}))
    assert day.most_replicas == 4
    assert day.minutes_at_most > 1400
    answered = (day.requests - day.refused) / 86400
    assert answered <= 4 * 32 / 5 + 0.1
    assert 0.7 < day.refused_share < 0.8


def test_a_cold_start_costs_a_spike() -> None:
    def spiked(cold_start_seconds: float) -> Day:
        day = {"num_spikes": 3, "spike_factor": 6.0, "cold_start_seconds": cold_start_seconds}
        return simulate_day(QUIET.model_copy(update=day))

    slow, quick = spiked(600), spiked(0)
    assert quick.refused + quick.delayed < slow.refused + slow.delayed


def test_a_lost_node_is_replaced() -> None:
    lost = simulate_day(QUIET.model_copy(update={"node_losses": 5, "replicas_per_node": 3}))
    assert lost.refused + lost.delayed > 0
    assert lost.refused_share < 0.05


def test_the_same_seed_is_the_same_day() -> None:
    assert simulate_day(DayConfig()) == simulate_day(DayConfig())
    assert simulate_day(DayConfig()) != simulate_day(DayConfig(seed=18))


def test_commands() -> None:
    shown = CliRunner().invoke(app, ["deploy", "capacity", "--set", "load.chunks=1000000000"])
    assert "Milvus query nodes" in shown.output
    shown = CliRunner().invoke(app, ["deploy", "simulate", "--rate", "10", "--rate", "20"])
    assert shown.output.count("/s ") == 2
    wrong = CliRunner().invoke(app, ["deploy", "capacity", "--set", "load.chunk=1"])
    assert "load.chunk: unknown key" in str(wrong.exception)
