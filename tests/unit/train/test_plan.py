"""What a run will take, told beforehand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tunesmith.config.home import Home
from tunesmith.config.train import ScratchConfig, SftObjective, TrainConfig
from tunesmith.datasets.chat import write_chat
from tunesmith.datasets.preferences import write_preferences
from tunesmith.errors import ConfigError
from tunesmith.records import Lineage, Message, ModelVersion
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry
from tunesmith.train import plan
from tunesmith.train.model import new_llama
from tunesmith.train.plan import memory_of_worker, plan_training

Recipe = Callable[..., TrainConfig]
LLAMA_8B = SimpleNamespace(hidden_size=4096, num_hidden_layers=32)


def _gib(config: TrainConfig, trainable: int) -> float:
    return memory_of_worker(config, LLAMA_8B, total=8_000_000_000, trainable=trainable) / 2**30


def test_zero_spreads_what_it_says(recipe: Recipe) -> None:
    workers = {
        "resources": {"num_workers": 8},
        "micro_batch_size": 1,
        "global_batch_size": 8,
        "sequence_length": 1024,
    }
    by_stage = [_gib(recipe(zero_stage=stage, **workers), 8_000_000_000) for stage in (0, 1, 2, 3)]
    assert by_stage == sorted(by_stage, reverse=True)
    # float32 moments and master copy are 12 bytes a weight, gradients and weights 2 each.
    assert abs((by_stage[0] - by_stage[1]) - 8e9 * 12 * 7 / 8 / 2**30) < 0.1
    assert abs((by_stage[1] - by_stage[2]) - 8e9 * 2 * 7 / 8 / 2**30) < 0.1
    assert abs((by_stage[2] - by_stage[3]) - 8e9 * 2 * 7 / 8 / 2**30) < 0.1


def test_lora_needs_less_than_full(recipe: Recipe) -> None:
    config = recipe(
        zero_stage=3, resources={"num_workers": 8}, micro_batch_size=1, gradient_checkpointing=True
    )
    assert _gib(config, 80_000_000) < 24 < _gib(recipe(), 8_000_000_000)


def _recipe_on_disk(recipe: Recipe, folder: Path, **fields: object) -> TrainConfig:
    data = folder / "train.jsonl"
    write_chat(data, [(Message("user", f"What is {n}?"), Message("assistant", f"{n}.")) for n in range(40)])
    defaults: dict[str, object] = {
        "data": {"type": "file", "path": str(data)},
        "method": {"type": "scratch", "vocabulary_size": 320, "hidden_size": 64, "num_layers": 2},
        "sequence_length": 64,
        "num_epochs": 4,
    }
    return recipe(**{**defaults, **fields})


def test_plan_counts_the_run(recipe: Recipe, tmp_path: Path) -> None:
    config = _recipe_on_disk(recipe, tmp_path)
    assert config.resources.num_workers == 2
    made = plan_training(config, home=Home(tmp_path / "home"))
    assert made.num_examples == 40
    assert made.num_steps == 4 * -(-made.num_rows // 8)
    assert made.trainable == made.parameters > 0
    assert made.fits
    assert made.speed_source == "a matrix product"
    assert not plan_training(config, home=Home(tmp_path / "home"), memory_gib=0.5).fits


def test_dpo_counts_two_sequences_a_pair_and_the_reference(
    recipe: Recipe, tmp_path: Path, tokenizer: Any
) -> None:
    base = tmp_path / "base"
    new_llama(ScratchConfig(hidden_size=64, num_layers=2, intermediate_size=96), tokenizer).save_pretrained(
        base
    )
    tokenizer.save_pretrained(base)
    pairs = [((Message("user", f"What is {n}?"),), f"{n}.", "Many.") for n in range(40)]
    write_preferences(tmp_path / "pairs.jsonl", pairs)
    config = recipe(
        model=str(base),
        data={"type": "file", "path": str(tmp_path / "pairs.jsonl")},
        objective={"type": "dpo"},
        method={"type": "full"},
        sequence_length=64,
        num_epochs=3,
    )
    made = plan_training(config, home=Home(tmp_path / "home"))
    assert (made.num_examples, made.num_rows, made.num_steps) == (40, 40, 15)
    # One pass forwards is a third of a pass that trains, and there are three of those.
    assert made.reference_minutes == pytest.approx(made.minutes / 10, abs=0.02)
    sft = config.model_copy(update={"objective": SftObjective()})
    more = _gib(config, 8_000_000_000) - _gib(sft, 8_000_000_000)
    activations = config.micro_batch_size * 64 * 4096 * 32 * 16 * 2 / 2**30
    assert more == pytest.approx(activations), "and no second model"


def test_a_supervised_run_gives_no_speed_to_dpo(recipe: Recipe) -> None:
    earlier = recipe().model_dump(mode="json")
    dpo = recipe(objective={"type": "dpo"})
    assert plan._runs_alike(earlier, recipe())
    assert not plan._runs_alike(earlier, dpo)
    del earlier["objective"]  # of a version registered before there was a choice
    assert plan._runs_alike(earlier, recipe())
    assert not plan._runs_alike(earlier, dpo)


def _register(config: TrainConfig, home: Home) -> None:
    lineage = Lineage(
        "run", "hash", config.model_dump(mode="json"), 17, {"tokens_per_second": 100.0}, "0.1.0", "ftjob-1"
    )
    version = ModelVersion("ft:run:default:run:1", "default", "run", "full", "path", 0, lineage)
    Registry(open_home_database(home), "default").register(version)


def test_an_earlier_run_gives_the_speed(recipe: Recipe, tmp_path: Path) -> None:
    config, home = _recipe_on_disk(recipe, tmp_path), Home(tmp_path / "home")
    _register(config, home)
    made = plan_training(config, home=home)
    assert (made.tokens_per_second, made.speed_source) == (100.0, "an earlier run")
    assert abs(made.minutes - made.trained_tokens / 100 / 60) < 0.01


@pytest.mark.parametrize(
    "other",
    [
        {"resources": {"num_workers": 4}, "global_batch_size": 16},
        {"resources": {"gpus_per_worker": 1}},
        {"sequence_length": 128},
    ],
    ids=["workers", "hardware", "rows"],
)
def test_a_run_on_other_workers_or_rows_gives_no_speed(
    recipe: Recipe, tmp_path: Path, other: dict[str, object]
) -> None:
    home = Home(tmp_path / "home")
    _register(_recipe_on_disk(recipe, tmp_path, **other), home)
    assert plan_training(_recipe_on_disk(recipe, tmp_path), home=home).speed_source == "a matrix product"


def test_workers_on_one_machine_share_its_cpus(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_matmul_speed", lambda _config: 1e9)
    speeds = []
    for workers in (1, 4):
        config = _recipe_on_disk(recipe, tmp_path, resources={"num_workers": workers}, global_batch_size=16)
        made = plan_training(config, home=Home(tmp_path / "home"))
        speeds.append(made.tokens_per_second)
        assert made.device.startswith(f"the CPUs of this machine, shared by {workers} worker")
        assert made.worker_hours == pytest.approx(made.minutes / 60 * workers, abs=0.002)
    assert speeds[0] == speeds[1]


def test_gpus_that_are_elsewhere_are_assumed_and_said_to_be(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(plan, "_matmul_speed", lambda _config: pytest.fail("timed another device"))
    speeds = []
    for workers in (1, 4):
        resources = {"num_workers": workers, "gpus_per_worker": 1}
        config = _recipe_on_disk(recipe, tmp_path, resources=resources, global_batch_size=16)
        made = plan_training(config, home=Home(tmp_path / "home"))
        speeds.append(made.tokens_per_second)
        assert made.device == f"{workers} x A100 80 GB, ASSUMED: this machine has no GPU"
        assert made.speed_source == "the data sheet of an A100 80 GB"
        assert made.available_bytes == 80 * 2**30
    assert speeds[1] == pytest.approx(4 * speeds[0])


def test_a_cpu_recipe_is_timed_on_cpus(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[str] = []
    make = torch.randn

    def note(*size: int, device: str, **more: object) -> torch.Tensor:
        devices.append(device)
        return make(*size, **more)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "randn", note)
    assert plan._matmul_speed(recipe()) > 0
    assert devices == ["cpu"]


def test_a_base_that_does_not_fit_is_told(recipe: Recipe, tmp_path: Path) -> None:
    data = _recipe_on_disk(recipe, tmp_path).data
    config = recipe(data=data.model_dump(), method={"type": "lora", "target_modules": ["nope"]})
    with pytest.raises(ConfigError, match="no linear layer"):
        plan_training(config, home=Home(tmp_path / "home"))
