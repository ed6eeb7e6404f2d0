"""What a run will take, told beforehand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from tunesmith.config.home import Home
from tunesmith.config.train import TrainConfig
from tunesmith.datasets.chat import write_chat
from tunesmith.records import Lineage, Message, ModelVersion
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry
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
    shape = {"type": "scratch", "vocabulary_size": 320, "hidden_size": 64, "num_layers": 2}
    source = {"type": "file", "path": str(data)}
    return recipe(data=source, method=shape, sequence_length=64, num_epochs=4, **fields)


def test_plan_counts_the_run(recipe: Recipe, tmp_path: Path) -> None:
    config = _recipe_on_disk(recipe, tmp_path)
    plan = plan_training(config, home=Home(tmp_path / "home"))
    assert plan.num_examples == 40
    assert plan.num_steps == 4 * -(-plan.num_rows // 8)
    assert plan.trainable == plan.parameters > 0
    assert plan.fits
    assert plan.speed_source == "a matrix product"
    assert not plan_training(config, home=Home(tmp_path / "home"), memory_gib=0.5).fits


def test_an_earlier_run_gives_the_speed(recipe: Recipe, tmp_path: Path) -> None:
    config, home = _recipe_on_disk(recipe, tmp_path), Home(tmp_path / "home")
    lineage = Lineage(
        "run", "hash", config.model_dump(mode="json"), 17, {"tokens_per_second": 100.0}, "0.1.0", "ftjob-1"
    )
    version = ModelVersion("ft:run:default:run:1", "default", "run", "full", "path", 0, lineage)
    Registry(open_home_database(home), "default").register(version)
    plan = plan_training(config, home=home)
    assert (plan.tokens_per_second, plan.speed_source) == (100.0, "an earlier run")
    assert abs(plan.minutes - plan.trained_tokens / 100 / 60) < 0.01
