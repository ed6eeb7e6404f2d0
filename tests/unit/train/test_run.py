"""What must stay equal for a run to be resumed, and what a run says of itself without starting Ray."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tunesmith.assets import model_source
from tunesmith.config.home import Home
from tunesmith.config.train import TrainConfig
from tunesmith.errors import ConflictError, DataError, TrainingError
from tunesmith.jobs.folders import lock_folder
from tunesmith.jobs.lock import hold_name
from tunesmith.jobs.store import JobStore
from tunesmith.stores.database import open_home_database
from tunesmith.train import run
from tunesmith.train.run import fingerprint_of, run_training
from tunesmith.train.spec import LoopSpec
from tunesmith.train.watch import PlainWatcher, describe

Recipe = Callable[..., TrainConfig]


def test_fingerprint_follows_what_is_computed(recipe: Recipe) -> None:
    same = [recipe(), recipe(checkpoint_every_steps=7), recipe(resources={"max_failures": 0})]
    assert len({fingerprint_of(config, "data", "words") for config in same}) == 1
    other = [recipe(), recipe(seed=1), recipe(learning_rate=1e-3), recipe(method={"type": "full"})]
    assert len({fingerprint_of(config, "data", "words") for config in other}) == 4
    assert fingerprint_of(recipe(num_checkpoints_named=3), "data", "words") == fingerprint_of(
        recipe(), "data", "words"
    )
    goes_on = recipe(method={"type": "lora", "start_from": "ft:tiny-reader:default:a:1"})
    assert fingerprint_of(goes_on, "data", "words") != fingerprint_of(recipe(), "data", "words")
    hashes = [("data", "words"), ("other data", "words"), ("data", "other words")]
    assert len({fingerprint_of(recipe(), *pair) for pair in hashes}) == 3


def test_a_run_on_another_validation_file_is_another_run(recipe: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "valid.jsonl"
    config = recipe(validation={"path": str(file)})
    with pytest.raises(DataError, match=r"Check validation\.path"):
        fingerprint_of(config, "data", "words")
    found = set()
    for text in ("one", "two"):
        file.write_text(text)
        found.add(fingerprint_of(config, "data", "words"))
    assert len(found | {fingerprint_of(recipe(), "data", "words")}) == 3


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
        hold_name(lock_folder(home), "run"),
        pytest.raises(ConflictError, match="already being driven"),
    ):
        run_training(recipe(), home=home, watcher=PlainWatcher(io.StringIO()))


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (TrainingError("loss is nan at step 7"), "loss is nan at step 7"),
        (RuntimeError("a fault\nof ours"), "RuntimeError: a fault of ours"),
        (KeyboardInterrupt(), "Interrupted. The same command goes on."),
        (SystemExit(143), "Interrupted. The same command goes on."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_ends_a_run_is_told_to_its_job(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: BaseException, told: str
) -> None:
    def end(*_: object, **__: object) -> None:
        raise ends

    monkeypatch.setattr(run, "fit", end)
    home, config = Home(tmp_path / "home"), _scratch(recipe, tmp_path)
    with pytest.raises(type(ends)):
        run_training(config, home=home, watcher=PlainWatcher(io.StringIO()))
    job = JobStore(open_home_database(home), "default").job("run")
    assert (job.state, job.error, job.fence) == ("failed", told, 1)
    with pytest.raises(type(ends)):
        run_training(config, home=home, watcher=PlainWatcher(io.StringIO()))
    assert JobStore(open_home_database(home), "default").job("run").fence == 2


def test_relative_base_is_known_by_its_absolute_folder(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Train's workers run in a folder of their own."""
    specs: list[LoopSpec] = []

    def note(spec: LoopSpec, **_: object) -> None:
        specs.append(spec)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "fit", note)
    base = tmp_path / "models" / "base"
    shutil.copytree(model_source("tiny-reader"), base)
    home, data = Home(tmp_path / "home"), _scratch(recipe, tmp_path).data.model_dump()
    monkeypatch.chdir(tmp_path / "models")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("base", "./base/", "~/models/base", "../models/base", str(base)):
        with pytest.raises(KeyboardInterrupt):
            run_training(recipe(model=name, data=data), home=home, watcher=PlainWatcher(io.StringIO()))
    assert [spec.config.model for spec in specs] == [str(base)] * 5
    (job,) = JobStore(open_home_database(home), "default").jobs()
    assert (job.fence, job.config["model"]) == (5, str(base))


def _scratch(recipe: Recipe, folder: Path) -> TrainConfig:
    data = folder / "train.jsonl"
    line = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
    data.write_text(line * 8, encoding="utf-8")
    method = {"type": "scratch", "vocabulary_size": 320}
    return recipe(data={"type": "file", "path": str(data)}, method=method, max_steps=2)


EVENTS: list[tuple[Mapping[str, Any], str | None]] = [
    (
        {"type": "engine", "engine": "DeepSpeedEngine", "zero_stage": 2, "world_size": 2, "resumed_from": 30},
        "DeepSpeedEngine, ZeRO 2, 2 workers, going on from step 30",
    ),
    (
        {"type": "step", "step": 3, "values": {"loss": 1.23456, "tokens_per_second": 99.6}},
        "step 3/40  loss 1.2346  100 tokens/s",
    ),
    (
        {"type": "waiting", "message": "2 CPUs (0.5 free now); the run begins as soon as they are"},
        "waiting for 2 CPUs (0.5 free now); the run begins as soon as they are",
    ),
    ({"type": "reference", "num_pairs": 64}, "the reference log-probabilities of 64 pairs come first"),
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
