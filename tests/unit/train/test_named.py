"""Adapters of checkpoints that become versions: complete or absent, the newest few, of the newest attempt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tunesmith.config.train import TrainConfig
from tunesmith.train.named import keep_adapter, named_adapters, num_named


def _checkpoint(job: Path, attempt: int, step: int) -> Path:
    folder = job / f"attempt-{attempt:04d}" / f"checkpoint-{step}"
    (folder / f"global_step{step}").mkdir(parents=True)
    (folder / f"global_step{step}" / "mp_rank_00_model_states.pt").write_bytes(b"a pickle")
    for name in ("adapter_model.safetensors", "adapter_config.json", "tokenizer.json"):
        (folder / name).write_text(f"{attempt} {step}")
    for name in (
        "rng_state_0.pth",
        "scheduler.pt",
        "training_args.bin",
        "zero_to_fp32.py",
        "latest",
        "COMPLETE.json",
    ):
        (folder / name).write_text("of the run")
    return folder


def _keep(job: Path, attempt: int, *steps: int, num_kept: int = 2) -> None:
    for step in steps:
        keep_adapter(_checkpoint(job, attempt, step), step=step, num_kept=num_kept)


def test_only_what_is_served_is_copied(tmp_path: Path) -> None:
    _keep(tmp_path, 1, 5)
    (folder,) = named_adapters(tmp_path).values()
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"]


def test_the_newest_ones_of_all_attempts_stay(tmp_path: Path) -> None:
    _keep(tmp_path, 1, 5, 10)
    _keep(tmp_path, 2, 10, 15)
    found = named_adapters(tmp_path)
    assert list(found) == [10, 15]
    assert [folder.parent.name for folder in found.values()] == ["attempt-0002"] * 2


def test_a_zombie_takes_nothing_from_a_later_attempt(tmp_path: Path) -> None:
    _keep(tmp_path, 2, 10, 15)
    _keep(tmp_path, 1, 20, 25, 30)
    assert {10, 15} < set(named_adapters(tmp_path))


def test_a_half_copied_one_is_none(tmp_path: Path) -> None:
    (tmp_path / "attempt-0001" / "adapter-at-5.ab12.partial").mkdir(parents=True)
    assert named_adapters(tmp_path) == {}


def test_none_is_kept_where_none_is_asked_for(tmp_path: Path) -> None:
    _keep(tmp_path, 1, 5, num_kept=0)
    assert named_adapters(tmp_path) == {}


@pytest.mark.parametrize(
    ("method", "number"),
    [
        ({"type": "lora"}, 3),
        ({"type": "lora", "merge": True}, 0),
        ({"type": "full"}, 0),
        ({"type": "ia3"}, 0),
    ],
)
def test_whole_models_have_no_named_checkpoints(
    recipe: Callable[..., TrainConfig], method: dict[str, object], number: int
) -> None:
    assert num_named(recipe(method=method, num_checkpoints_named=3)) == number
