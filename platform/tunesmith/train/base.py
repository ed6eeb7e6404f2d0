"""The base model of a run, looked at before a worker is held.

What is wrong with it comes again however often a worker is replaced: no weights in safetensors, a missing shard,
layers that no adapter fits, rows longer than its context. All of it shows without loading a weight.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.assets import canonical_base, model_source
from tunesmith.config.train import AdapterMethod, FullConfig, LoraConfig, ScratchConfig, TrainConfig
from tunesmith.errors import ConfigError, ModelNotFoundError
from tunesmith.train.model import blocks_of
from tunesmith.train.tokenizer import cannot_load, load_tokenizer

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
    "chat_template.jinja",
)
"""What decides which tokens a conversation becomes; further templates lie in a folder of their own."""


def settle_base(config: TrainConfig) -> TrainConfig:
    """Give the base its one name: workers run in another folder, where a relative path leads nowhere.

    Args:
        config: the recipe as written.

    Returns:
        The recipe with the base's canonical name: shipped, an absolute folder, or of the hub.
    """
    return config.model_copy(update={"model": canonical_base(config.model)})


def hash_tokenizer(config: TrainConfig) -> str:
    """Hash the base's tokenizer and chat template: other ones make other rows of the same data.

    Args:
        config: the recipe.

    Returns:
        SHA-256, hex; empty for a model made from scratch, whose tokenizer follows from its data.

    Raises:
        ModelNotFoundError: there is no such model.
    """
    if isinstance(config.method, ScratchConfig):
        return ""
    digest = hashlib.sha256()
    folder = _tokenizer_folder(config.model)
    templates = sorted((folder / "additional_chat_templates").glob("*.jinja"))
    for path in (*(folder / name for name in _TOKENIZER_FILES), *templates):
        if path.is_file():
            digest.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


def check_base(config: TrainConfig) -> None:
    """Hold the recipe against the base, whose layers are built without their weights: no memory, no download.

    Args:
        config: the recipe; a model made from scratch has nothing to be held against.

    Raises:
        ModelNotFoundError: the base cannot be loaded, or its weights are not all there.
        ConfigError: rows longer than its context, or names of layers that it does not have.
    """
    if isinstance(config.method, ScratchConfig):
        return
    folder = Path(model_source(config.model))
    if folder.is_dir():  # of the hub's models, the workers fetch the weights
        _require_weights(folder, config.model)
    base = empty_base(config.model)
    _require_context(config, base)
    if isinstance(config.method, AdapterMethod):
        _require_targets(config, config.method, base)
    if isinstance(config.method, LoraConfig) and config.method.layers is not None:
        _require_blocks(config, "layers", [*config.method.layers], base)
    if isinstance(config.method, FullConfig):
        _require_blocks(config, "frozen_layers", [config.method.frozen_layers], base)


def empty_base(model: str) -> Any:
    """Build a base's layers without their weights.

    Args:
        model: its canonical name.

    Returns:
        A causal LM on the meta device.

    Raises:
        ModelNotFoundError: it is no causal LM, or needs code of its own.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        shape = AutoConfig.from_pretrained(model_source(model), trust_remote_code=False)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(shape, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise cannot_load(model, error) from error


def _tokenizer_folder(model: str) -> Path:
    """The folder of a model's tokenizer; one of the hub is fetched first, as the run would."""
    folder = Path(model_source(model))
    if folder.is_dir():
        return folder
    cached = _cached(model)
    if cached is None:
        load_tokenizer(model)
        cached = _cached(model)
    return cached or folder


def _cached(model: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        file = try_to_load_from_cache(model, "tokenizer_config.json")
    except HFValidationError:  # a path that leads nowhere, say
        return None
    return Path(file).parent if isinstance(file, str) else None


def _require_weights(folder: Path, model: str) -> None:
    files = _weight_files(folder, model)
    broken = [name for name in files if not _is_whole(folder / name)]
    if broken:
        raise ModelNotFoundError(
            f'model="{model}": {len(broken)} of {len(files)} weight files are missing or cut short, {broken[0]} among '
            "them. Copy or download the folder again.",
            param="model",
        )


def _weight_files(folder: Path, model: str) -> list[str]:
    if (folder / _WEIGHTS).is_file():
        return [_WEIGHTS]
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        return sorted(set(index["weight_map"].values()))
    except (OSError, ValueError, KeyError):
        raise ModelNotFoundError(
            f'model="{model}" has no weights in safetensors: neither {_WEIGHTS} nor a readable {_INDEX} lies there. '
            "Pickles are never loaded: save the model again with save_pretrained(), or use another one.",
            param="model",
        ) from None


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as it says: 8 bytes with the header's length, the header, the weights."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, size)))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        return bool(size == 8 + length + max(ends))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _require_context(config: TrainConfig, base: Any) -> None:
    limit = getattr(base.config.get_text_config(), "max_position_embeddings", None)
    if limit and config.sequence_length > limit:
        raise ConfigError(
            f'sequence_length={config.sequence_length} is more than the context of model="{config.model}", '
            f"{limit} tokens. Use --set sequence_length={limit} or less, or a base with a longer context.",
            param="sequence_length",
        )


def _require_blocks(config: TrainConfig, field: str, numbers: Sequence[int], base: Any) -> None:
    """Each number must be that of a block; PEFT passes over the others, and a run that freezes all learns nothing."""
    count = len(blocks_of(base))
    if not numbers or not all(0 <= number < count for number in numbers):
        raise ConfigError(
            f'method.{field}={getattr(config.method, field)}: model="{config.model}" has {count} transformer blocks. '
            f"Use numbers from 0 to {count - 1}.",
            param=f"method.{field}",
        )


def _require_targets(config: TrainConfig, method: AdapterMethod, base: Any) -> None:
    """Each name must be that of a layer: PEFT passes over those that are not, as long as one is."""
    if isinstance(method.target_modules, str):
        return
    linear = _linear_layers(base)
    unknown = [
        target
        for target in method.target_modules
        if not any(f".{name}".endswith(f".{target}") for name in linear)
    ]
    if unknown or not method.target_modules:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
        raise ConfigError(
            f"method.target_modules={list(method.target_modules)}: no linear layer of "
            f'model="{config.model}" is called {", ".join(unknown) or "so"}. Use all-linear, or some of {known}.',
            param="method.target_modules",
        )


def _linear_layers(base: Any) -> list[str]:
    import torch
    from transformers.pytorch_utils import Conv1D

    return [name for name, module in base.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D))]
