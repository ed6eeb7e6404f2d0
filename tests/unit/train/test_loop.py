"""What a worker tells when it cannot begin: what would end the next one too ends the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tunesmith.config.train import TrainConfig
from tunesmith.errors import StorageError
from tunesmith.jobs.events import read_events
from tunesmith.train import loop
from tunesmith.train.loop import train_loop_per_worker
from tunesmith.train.prepare import Prepared
from tunesmith.train.spec import LoopSpec


@pytest.fixture
def spec(recipe: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopSpec:
    monkeypatch.setattr(loop, "_world_rank", lambda: 0)
    monkeypatch.setattr(loop, "_send_output_to", lambda _path: None)
    monkeypatch.setattr(loop, "_prepare_process", lambda _spec: None)
    return LoopSpec(recipe(), Prepared(str(tmp_path), 8, 4, 400, 100, 320), tmp_path, num_steps=10)


def _told(
    spec: LoopSpec, monkeypatch: pytest.MonkeyPatch, error: Exception, *, steps: bool | None
) -> list[str]:
    """Messages of the `failed` events of a worker that an error ends in its set-up, or while it trains."""

    def fail(*_: object) -> None:
        raise error

    if steps is None:
        monkeypatch.setattr(loop, "_set_up", fail)
    else:
        monkeypatch.setattr(loop, "_set_up", lambda _spec: SimpleNamespace(has_stepped=steps))
        monkeypatch.setattr(loop, "_train", fail)
    with pytest.raises(type(error)):
        train_loop_per_worker({"spec": spec})
    return [event["message"] for event in read_events(spec.events).events if event["type"] == "failed"]


@pytest.mark.parametrize("steps", [None, False], ids=["set-up", "before the first step"])
@pytest.mark.parametrize(
    "error", [OSError("no model.safetensors"), ValueError("no\nlayer"), KeyError("shard")]
)
def test_what_would_come_again_is_told(
    spec: LoopSpec, monkeypatch: pytest.MonkeyPatch, error: Exception, steps: bool | None
) -> None:
    (message,) = _told(spec, monkeypatch, error, steps=steps)
    assert message.startswith(f"A worker cannot begin: {type(error).__name__}: ")
    assert message.endswith(f"Look at its log, {spec.attempt_folder / 'worker-0.log'}.")
    assert "\n" not in message


@pytest.mark.parametrize(
    "error", [RuntimeError("Connection closed by peer"), ConnectionResetError(), TimeoutError()]
)
def test_the_death_of_another_worker_is_left_to_ray_train(
    spec: LoopSpec, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert _told(spec, monkeypatch, error, steps=None) == []


def test_what_comes_after_a_step_is_left_to_ray_train(
    spec: LoopSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _told(spec, monkeypatch, ValueError("x"), steps=True) == []


def test_errors_for_users_are_told_whenever_they_come(
    spec: LoopSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _told(spec, monkeypatch, StorageError("disk full"), steps=True) == ["disk full"]
