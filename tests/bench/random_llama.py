"""A Llama of a wanted size with random weights: it says nothing, and costs what a trained one costs."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM

from tunesmith.assets import model_source

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
)


def make_random_llama(folder: Path, *, hidden_size: int, num_layers: int) -> int:
    """Write a model with the tokenizer of tiny-reader.

    Args:
        folder: where to.
        hidden_size: its width; heads are 64 wide, the MLP 8/3 as wide as the model.
        num_layers: its blocks.

    Returns:
        The number of its parameters.
    """
    shipped = Path(model_source("tiny-reader"))
    torch.manual_seed(7)
    config = LlamaConfig(
        **AutoConfig.from_pretrained(shipped).to_dict()
        | {
            "hidden_size": hidden_size,
            "intermediate_size": hidden_size * 8 // 3 // 64 * 64,
            "num_hidden_layers": num_layers,
            "num_attention_heads": hidden_size // 64,
            "num_key_value_heads": hidden_size // 64,
        }
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    for name in _TOKENIZER_FILES:
        shutil.copy(shipped / name, folder)
    return sum(weight.numel() for weight in model.parameters())
