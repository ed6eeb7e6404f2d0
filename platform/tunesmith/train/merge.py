"""An adapter merged into its base: a whole model, for what no engine serves beside a base."""

from __future__ import annotations

import shutil
from pathlib import Path

from tunesmith.assets import model_source
from tunesmith.config.train import AdapterMethod, TrainConfig
from tunesmith.train.checkpoint import storage_errors


def is_merged(config: TrainConfig) -> bool:
    """Whether a run trains an adapter and registers a whole model.

    Args:
        config: the recipe.

    Returns:
        True if it does.
    """
    return isinstance(config.method, AdapterMethod) and config.method.registers == "full"


def merge_adapter(config: TrainConfig, adapter: Path, folder: Path) -> None:
    """Merge in float32, in which nothing is lost, and write the model in bfloat16, in which engines run it.

    In the driver, when the workers are gone: inside a worker of ZeRO 3 a model that is loaded comes in parts.

    Args:
        config: the recipe.
        adapter: as exported, with the run's tokenizer.
        folder: where to write the model.

    Raises:
        StorageError: there is no room for it.
    """
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(
        model_source(config.model), dtype=torch.float32, use_safetensors=True, trust_remote_code=False
    )
    merged = peft.PeftModel.from_pretrained(base, str(adapter)).merge_and_unload(safe_merge=True)
    shutil.rmtree(folder, ignore_errors=True)  # of a driver that was killed while writing
    with storage_errors(folder):
        merged.to(torch.bfloat16).save_pretrained(folder)
        AutoTokenizer.from_pretrained(adapter).save_pretrained(folder)
