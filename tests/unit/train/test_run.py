"""What must stay equal for a run to be resumed, and what a run says of itself without starting Ray."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tunesmith.config.home import Home
from tunesmith.config.train import TrainConfig
from tunesmith.errors import ConflictError, DataError
from tunesmith.jobs.lock import hold_name
from tunesmith.jobs.store import JobStore
from tunesmith.stores.database import open_home_database
from tunesmith.train.run import fingerprint_of, run_training
from tunesmith.train.watch import PlainWatcher, describe

Recipe = Callable[..., TrainConfig]


def test_fingerprint_follows_what_is_computed(recipe: Recipe) -> None:
    same = [recipe(), recipe(checkpoint_every_steps=7), recipe(resources={"max_failures": 0})]
    assert len({fingerprint_of(config, "data") for config in same}) == 1
    other = [recipe(), recipe(seed=1), recipe(learning_rate=1e-3), recipe(method={"type": "full"})]
    assert len({fingerprint_of(config, "data") for config in other}) == 4
    assert fingerprint_of(recipe(), "data") != fingerprint_of(recipe(), "other data")


def test_bad_data_is_told_before_there_is_a_job(recipe: Recipe, tmp_path: Path) -> None:
    data = tmp_path / "train.jsonl"
    data.write_text("{\n[]\n", encoding="utf-8")
    home = Home(tmp_path / "home")
    config = recipe(data={"type": "file", "path": str(data)})
    with pytest.raises(DataError, match=r"train.jsonl:2"):
        run_training(config, home=home, watcher=PlainWatcher(io.StringIO()))
    assert JobStore(open_home_database(home), "default").jobs() == []


def test_too_long_example_is_told_before_there_is_a_job(recipe: Recipe, tmp_path: Path) -> None:
    data, home = tmp_path / "train.jsonl", Home(tmp_path / "home")
    line = '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "y"}]}'
    data.write_text(line % "x" + "\n" + line % ("x " * 300) + "\n", encoding="utf-8")
    config = recipe(data={"type": "file", "path": str(data)}, method={"type": "scratch"}, sequence_length=64)
    with pytest.raises(DataError, match=r"train.jsonl:2: \d+ tokens are more than sequence_length=64"):
        run_training(config, home=home, watcher=PlainWatcher(io.StringIO()))
    assert JobStore(open_home_database(home), "default").jobs() == []


def test_second_driver_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with (
        hold_name(home.run / "jobs", "run"),
        pytest.raises(ConflictError, match="already being driven"),
    ):
        run_training(recipe(), home=home, watcher=PlainWatcher(io.StringIO()))


EVENTS: list[tuple[Mapping[str, Any], str | None]] = [
    (
        {"type": "engine", "engine": "DeepSpeedEngine", "zero_stage": 2, "world_size": 2, "resumed_from": 30},
        "DeepSpeedEngine, ZeRO 2, 2 workers, going on from step 30",
    ),
    (
        {"type": "step", "step": 3, "values": {"loss": 1.23456, "tokens_per_second": 99.6}},
        "step 3/40  loss 1.2346  100 tokens/s",
    ),
    ({"type": "failed", "message": "disk full"}, "a worker failed: disk full"),
    ({"type": "checkpoint", "step": 10}, None),
]


@pytest.mark.parametrize(("event", "line"), EVENTS, ids=[event["type"] for event, _ in EVENTS])
def test_events_in_words(event: Mapping[str, Any], line: str | None) -> None:
    assert describe(event, num_steps=40) == line


def test_lines_come_now_and_then() -> None:
    out = io.StringIO()
    watcher = PlainWatcher(out)
    for step in range(1, 100):
        watcher.event({"type": "step", "step": step, "values": {"loss": 1.0, "tokens_per_second": 1.0}})
    assert out.getvalue().count("\n") == 1
