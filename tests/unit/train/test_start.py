"""Training that goes on from a version: the shape of its adapter, and its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.config.train import LoraConfig, ScratchConfig, TrainConfig
from tunesmith.errors import ConfigError
from tunesmith.records import Lineage, ModelVersion, VersionKind
from tunesmith.train.model import add_adapter, load_start, new_llama
from tunesmith.train.start import located, parent_of, with_shape

NAME = "ft:tiny-reader:default:a:0a1b2c"
SHAPE = ScratchConfig(hidden_size=64, num_layers=2, head_size=32, intermediate_size=96, context_length=128)
Recipe = Callable[..., TrainConfig]


def _version(kind: VersionKind = "adapter", **method: Any) -> ModelVersion:
    config = {"method": LoraConfig(**method).model_dump(mode="json")}
    lineage = Lineage("tiny-reader", "0", config, 1, {}, "0", "ftjob-1")
    return ModelVersion(NAME, "default", "tiny-reader", kind, "models/1", 1, lineage)


def test_a_recipe_takes_the_shape_of_the_adapter_it_goes_on_from(recipe: Recipe) -> None:
    version = _version(rank=4, alpha=9, target_modules=["q_proj"], layers=[1])
    config = recipe(method={"type": "lora", "start_from": NAME, "dropout": 0.5})
    method = with_shape(config, lambda _: version).method
    assert isinstance(method, LoraConfig)
    assert (method.rank, method.alpha, method.target_modules, method.layers) == (4, 9, ("q_proj",), (1,))
    assert method.dropout == 0.5


def test_a_recipe_that_begins_with_its_base_asks_nobody(recipe: Recipe) -> None:
    config = recipe()
    assert with_shape(config, lambda _: pytest.fail("asked")) is config
    assert parent_of(recipe(method={"type": "full"})) is None


@pytest.mark.parametrize(
    ("fields", "kind", "told"),
    [
        ({"method": {"type": "lora", "rank": 8, "start_from": NAME}}, "adapter", r"method\.rank=8, .* has 4"),
        (
            {"model": "/other", "method": {"type": "lora", "start_from": NAME}},
            "adapter",
            "is a version of tiny-reader",
        ),
        ({"method": {"type": "lora", "start_from": NAME}}, "full", "is a whole model"),
    ],
)
def test_what_does_not_fit_is_told_with_the_way_out(
    recipe: Recipe, fields: dict[str, Any], kind: VersionKind, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        with_shape(recipe(**fields), lambda _: _version(kind, rank=4))


def test_workers_are_told_a_folder(recipe: Recipe, tmp_path: Path) -> None:
    config = located(recipe(method={"type": "lora", "start_from": NAME}), tmp_path)
    assert parent_of(config) == str(tmp_path)


def test_the_new_adapter_begins_as_the_old_one(tokenizer: Any, tmp_path: Path) -> None:
    old = add_adapter(new_llama(SHAPE, tokenizer), LoraConfig(rank=4))
    for name, parameter in old.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter)
    old.save_pretrained(tmp_path)
    new = add_adapter(new_llama(SHAPE, tokenizer), LoraConfig(rank=4))
    load_start(new, str(tmp_path))
    weights = dict(old.named_parameters())
    for name, parameter in new.named_parameters():
        if "lora_" in name:
            assert torch.equal(parameter, weights[name])
            assert parameter.requires_grad


def test_an_adapter_of_other_layers_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    add_adapter(new_llama(SHAPE, tokenizer), LoraConfig(rank=4, target_modules=("q_proj",))).save_pretrained(
        tmp_path
    )
    with pytest.raises(ConfigError, match="other layers"):
        load_start(add_adapter(new_llama(SHAPE, tokenizer), LoraConfig(rank=4)), str(tmp_path))
