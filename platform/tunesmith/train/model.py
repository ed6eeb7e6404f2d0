"""The model of a run: a base with an adapter, a base to train whole, or a new Llama."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.assets import model_source
from tunesmith.config.train import (
    AdapterMethod,
    FullConfig,
    Ia3Config,
    LoraConfig,
    ScratchConfig,
    TrainConfig,
)
from tunesmith.errors import ConfigError
from tunesmith.train.start import parent_of


def build_model(config: TrainConfig, tokenizer: Any) -> Any:
    """Build the model that is trained.

    Args:
        config: the recipe.
        tokenizer: the run's tokenizer.

    Returns:
        A Hugging Face causal LM, or a PEFT model around one; safetensors only, no remote code.
    """
    if isinstance(config.method, ScratchConfig):
        return new_llama(config.method, tokenizer)
    base = load_base(config)
    if not isinstance(config.method, AdapterMethod):
        return base
    model = add_adapter(base, config.method)
    if folder := parent_of(config):
        load_start(model, folder)
    return model


def load_base(config: TrainConfig) -> Any:
    """Load the base model.

    Args:
        config: the recipe.

    Returns:
        The base, in the format in which the run computes; blocks that a whole run leaves as they are ask for no
        gradients.
    """
    import torch
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(
        model_source(config.model),
        dtype=torch.bfloat16 if config.bf16 else torch.float32,
        attn_implementation=_attention(),
        use_safetensors=True,
        trust_remote_code=False,
    )
    if isinstance(config.method, FullConfig):
        freeze_lowest(base, config.method.frozen_layers)
    if isinstance(config.method, LoraConfig) and config.method.dora:
        _require_lengths(config, config.method, base)
    return base


def _require_lengths(config: TrainConfig, method: LoraConfig, base: Any) -> None:
    """dora divides by the length of each weight's rows: one of zeros makes the first loss no number."""
    for name, module in base.named_modules():
        weight = getattr(module, "weight", None)
        if not _has_adapter(method, name) or weight is None or weight.dim() != 2:
            continue
        if bool((weight == 0).all(dim=1).any()):
            raise ConfigError(
                f'method.dora divides by the length of each row of a weight, and {name} of model="{config.model}" has '
                "rows of zeros. Leave that layer out of method.target_modules, or use method.dora=false.",
                param="method.dora",
            )


def _has_adapter(method: LoraConfig, name: str) -> bool:
    if isinstance(method.target_modules, str):
        return ".layers." in name
    return any(f".{name}".endswith(f".{target}") for target in method.target_modules)


def freeze_lowest(base: Any, num_layers: int) -> None:
    """Leave the lowest blocks of a base as they are, and its embeddings.

    Args:
        base: a causal LM; changed in place.
        num_layers: how many blocks; with 0 the embeddings are trained too.
    """
    if num_layers:
        for module in (base.get_input_embeddings(), *blocks_of(base)[:num_layers]):
            module.requires_grad_(False)


def blocks_of(base: Any) -> Sequence[Any]:
    """The transformer blocks of a base, lowest first.

    Args:
        base: a causal LM.

    Returns:
        Its longest list of modules: whatever an architecture calls it, it is that of the blocks.
    """
    import torch

    lists = [module for module in base.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=len, default=())


def add_adapter(base: Any, method: AdapterMethod) -> Any:
    """Put an adapter beside the linear layers of a base.

    Args:
        base: a causal LM.
        method: what it is like, and which layers get one.

    Returns:
        The PEFT model; only the adapter is trained.
    """
    import peft

    # ZeRO 3 gathers parameters of one dtype: the adapter keeps the base's, its optimizer states are float32.
    return peft.get_peft_model(base, adapter_settings(method), autocast_adapter_dtype=False)


def load_start(model: Any, folder: str) -> None:
    """Load the weights of an adapter into a model that has one of the same shape.

    Args:
        model: a PEFT model; changed in place.
        folder: where the adapter lies; safetensors only.

    Raises:
        ConfigError: it has other layers than the model's.
    """
    import peft
    from safetensors.torch import load_file

    loaded = peft.set_peft_model_state_dict(model, load_file(Path(folder) / "adapter_model.safetensors"))
    missing = [name for name in loaded.missing_keys if "lora_" in name]
    if missing or loaded.unexpected_keys:
        raise ConfigError(
            f"The adapter in {folder} has other layers than the recipe's: {len(missing)} are not in it, "
            f"{len(loaded.unexpected_keys)} are too many. Use its own method.target_modules and method.layers.",
            param="method.start_from",
        )


def adapter_settings(method: AdapterMethod) -> Any:
    """Translate a method into PEFT's words.

    Args:
        method: what the adapter is like, and which layers get one.

    Returns:
        A PEFT configuration.
    """
    import peft

    if isinstance(method, Ia3Config):
        return peft.IA3Config(
            target_modules=list(method.target_modules),
            feedforward_modules=list(method.feedforward_modules),
            task_type="CAUSAL_LM",
        )
    target = method.target_modules if isinstance(method.target_modules, str) else list(method.target_modules)
    return peft.LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=target,
        layers_to_transform=None if method.layers is None else list(method.layers),
        use_rslora=method.rslora,
        use_dora=method.dora,
        task_type="CAUSAL_LM",
    )


def new_llama(method: ScratchConfig, tokenizer: Any) -> Any:
    """Make a Llama that copies from its prompt, and knows nothing else yet.

    Args:
        method: its shape.
        tokenizer: its tokenizer; the vocabulary is rounded up to a multiple of 64.

    Returns:
        The model; embeddings are shared with the output layer.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    from tunesmith.train.induction import start_with_induction

    heads = method.hidden_size // method.head_size
    shape = LlamaConfig(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=method.hidden_size,
        intermediate_size=method.intermediate_size,
        num_hidden_layers=method.num_layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=method.head_size,
        max_position_embeddings=method.context_length,
        tie_word_embeddings=True,
        attention_bias=True,
        # Slow rotations leave enough planes in which far tokens can be compared.
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attn_implementation=_attention(),
    )
    model = LlamaForCausalLM(shape)
    start_with_induction(model)
    return model


def _attention() -> str:
    """The kernel that is faster here.

    On a CPU the flash kernel's backward pass takes longer than the plain products of short rows: 3,500 against
    5,800 tokens/s at 288 tokens and 3 heads of 64.
    """
    import torch

    return "sdpa" if torch.cuda.is_available() else "eager"
