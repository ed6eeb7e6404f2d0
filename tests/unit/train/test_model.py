"""Which weights are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.config.train import LoraConfig, ScratchConfig, TrainConfig
from tunesmith.train.model import add_adapter, build_model, new_llama

SHAPE = ScratchConfig(hidden_size=64, num_layers=2, head_size=32, intermediate_size=96, context_length=128)


def _trained(model: Any) -> list[str]:
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def test_new_llama_has_the_asked_shape(tokenizer: Any) -> None:
    model = new_llama(SHAPE, tokenizer)
    shape = model.config
    assert (shape.num_attention_heads, shape.head_dim, shape.max_position_embeddings) == (2, 32, 128)
    assert shape.vocab_size % 64 == 0
    assert shape.vocab_size >= len(tokenizer)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert shape.eos_token_id == tokenizer.eos_token_id


def test_lora_trains_the_adapter_alone(tokenizer: Any) -> None:
    model = add_adapter(new_llama(SHAPE, tokenizer), LoraConfig(rank=4))
    assert _trained(model)
    assert all("lora_" in name for name in _trained(model))
    assert not any("lm_head" in name for name in _trained(model))


def test_base_is_loaded_from_safetensors_in_the_runs_precision(
    tokenizer: Any, recipe: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    new_llama(SHAPE, tokenizer).save_pretrained(tmp_path)
    full = build_model(recipe(model=str(tmp_path), method={"type": "full"}), tokenizer)
    assert full.dtype == torch.bfloat16
    assert len(_trained(full)) == len(list(full.parameters()))
    exact = build_model(recipe(model=str(tmp_path), method={"type": "full"}, bf16=False), tokenizer)
    assert exact.dtype == torch.float32


def test_pickled_weights_are_refused(
    tokenizer: Any, recipe: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    model = new_llama(SHAPE, tokenizer)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        build_model(recipe(model=str(tmp_path)), tokenizer)


@pytest.mark.parametrize(("head_size", "share"), [(64, 0.5), (32, 0.2)])
def test_new_llama_copies_before_its_first_step(tokenizer: Any, head_size: int, share: float) -> None:
    torch.manual_seed(0)
    shape = ScratchConfig(hidden_size=192, head_size=head_size, num_layers=3, context_length=512)
    model = new_llama(shape, tokenizer).eval()
    said = torch.randint(5, len(tokenizer), (1, 40))
    other = torch.randint(5, len(tokenizer), (1, 60))
    with torch.no_grad():
        guesses = model(torch.cat([said, other, said], dim=1)).logits[0].argmax(-1)
    again = guesses[100:139] == said[0, 1:]
    at_first = guesses[:39] == said[0, 1:]
    assert again.float().mean() > share
    assert at_first.float().mean() < 0.1
