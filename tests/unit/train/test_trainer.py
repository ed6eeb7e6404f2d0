"""What our trainer does otherwise than transformers': ends, intervals, and numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState
from trl import SFTTrainer

from tunesmith.config.train import TrainConfig
from tunesmith.errors import TrainingError
from tunesmith.jobs.events import read_events
from tunesmith.train.prepare import Prepared
from tunesmith.train.spec import LoopSpec
from tunesmith.train.trainer import RunReporter, SupervisedTrainer, num_met, scheduler_name

Recipe = Callable[..., TrainConfig]


@pytest.fixture
def spec(recipe: Recipe, tmp_path: Path) -> LoopSpec:
    return LoopSpec(
        recipe(learning_rate=0.03), Prepared(str(tmp_path), 8, 4, 400, 100, 320), tmp_path, num_steps=10
    )


def _trainer(step: int) -> SupervisedTrainer:
    trainer = SupervisedTrainer.__new__(SupervisedTrainer)
    trainer.state, trainer.control = TrainerState(global_step=step, max_steps=10), TrainerControl()
    return trainer


@pytest.mark.parametrize(("step", "epochs_run"), [(9, 1), (10, 0), (11, 0)])
def test_run_that_resumes_at_its_end_trains_no_further(
    monkeypatch: pytest.MonkeyPatch, step: int, epochs_run: int
) -> None:
    run: list[dict[str, Any]] = []
    monkeypatch.setattr(SFTTrainer, "_run_epoch", lambda _self, **loop: run.append(loop))
    trainer = _trainer(step)
    trainer._run_epoch(epoch=0)
    assert len(run) == epochs_run
    assert trainer.control.should_training_stop is (epochs_run == 0)


def _reporter(spec: LoopSpec, monkeypatch: pytest.MonkeyPatch) -> tuple[RunReporter, Any]:
    """A reporter whose engine passes for DeepSpeed's."""
    import deepspeed

    engine = type("DeepSpeedEngine", (), {"zero_optimization_stage": lambda _self: 2})()
    monkeypatch.setattr(deepspeed, "DeepSpeedEngine", type(engine))
    trainer = SimpleNamespace(model_wrapped=engine, has_stepped=False)
    return RunReporter(spec, trainer), trainer  # type: ignore[arg-type]


def test_checkpoint_interval_is_the_one_asked_for_now(
    spec: LoopSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter, _ = _reporter(spec, monkeypatch)
    state = TrainerState(global_step=20, save_steps=50, is_world_process_zero=True)
    reporter.on_train_begin(SimpleNamespace(save_steps=10, eval_steps=5, world_size=2), state)
    assert (state.save_steps, state.eval_steps) == (10, 5)
    (event,) = read_events(spec.events).events
    assert (event["type"], event["resumed_from"]) == ("engine", 20)


def test_step_is_noted(spec: LoopSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter, trainer = _reporter(spec, monkeypatch)
    reporter.on_step_end(None, None)
    assert trainer.has_stepped


@pytest.mark.parametrize("measured", ["loss", "grad_norm"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_diverged_run_ends_at_once_with_the_way_out(
    spec: LoopSpec, monkeypatch: pytest.MonkeyPatch, measured: str, value: float
) -> None:
    reporter, _ = _reporter(spec, monkeypatch)
    state = TrainerState(global_step=51, is_world_process_zero=True)
    logs = {"loss": 1.0, "grad_norm": 2.0, "learning_rate": 0.01} | {measured: value}
    words = measured.replace("_", " ")
    with pytest.raises(
        TrainingError, match=rf"{words} is {value} at step 51: .*learning_rate=0\.03.* --set"
    ) as told:
        reporter.on_log(None, state, logs=logs)
    assert "--set learning_rate=0.01 --fresh" in told.value.message
    assert read_events(spec.events).events == (), "no curve holds a number that is none"


def test_sound_step_is_told(spec: LoopSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter, _ = _reporter(spec, monkeypatch)
    state = TrainerState(global_step=3, is_world_process_zero=True)
    reporter.on_log(None, state, logs={"loss": 1.5, "learning_rate": 0.01})
    reporter.on_log(None, state, logs={"train_runtime": 7.0})
    (event,) = read_events(spec.events).events
    assert (event["step"], event["values"]["loss"], event["values"]["tokens"]) == (3, 1.5, 2400)


def test_a_step_that_is_measured_on_the_validation_file_is_told_once_with_both(
    spec: LoopSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter, _ = _reporter(spec, monkeypatch)
    state = TrainerState(global_step=3, is_world_process_zero=True)
    control = TrainerControl(should_evaluate=True)
    reporter.on_log(None, state, control, logs={"loss": 1.5, "mean_token_accuracy": 0.25})
    assert read_events(spec.events).events == ()
    reporter.on_log(None, state, control, logs={"eval_loss": 2.5, "eval_mean_token_accuracy": 0.5})
    (event,) = read_events(spec.events).events
    told = event["values"]
    assert (told["loss"], told["mean_token_accuracy"]) == (1.5, 0.25)
    assert (told["valid_loss"], told["valid_mean_token_accuracy"]) == (2.5, 0.5)


@pytest.mark.parametrize(
    ("schedule", "warmup", "name"),
    [
        ("constant", 0, "constant"),
        ("constant", 10, "constant_with_warmup"),
        ("cosine", 10, "cosine"),
        ("linear", 0, "linear"),
    ],
)
def test_every_schedule_warms_up(recipe: Recipe, schedule: str, warmup: int, name: str) -> None:
    assert scheduler_name(recipe(schedule=schedule, warmup_steps=warmup)) == name


@pytest.mark.parametrize(("num_steps", "met"), [(3, 24), (12, 96), (13, 100), (40, 100)])
def test_a_run_within_an_epoch_meets_as_many_pairs_as_it_has_places(
    recipe: Recipe, num_steps: int, met: int
) -> None:
    assert num_met(recipe(global_batch_size=8), num_steps=num_steps, num_rows=100) == met


def test_what_is_told_of_a_preference_step(spec: LoopSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter, _ = _reporter(spec, monkeypatch)
    logs = {
        "loss": 0.5,
        "rewards/margins": 1.0,
        "rewards/accuracies": 0.75,
        "logps/chosen": -9.0,
        "entropy": 3.0,
    }
    reporter.on_log(None, TrainerState(global_step=3, is_world_process_zero=True), logs=logs)
    (event,) = read_events(spec.events).events
    told = event["values"]
    assert (told["reward_margin"], told["reward_accuracy"], told["logps_preferred"]) == (1.0, 0.75, -9.0)
    assert "entropy" not in told
