"""The model of a run: a base with a LoRA adapter, a base to train whole, or a new Llama."""

from __future__ import annotations

from typing import Any

from tunesmith.assets import model_source
from tunesmith.config.train import LoraConfig, ScratchConfig, TrainConfig


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
    return add_lora(base, config.method) if isinstance(config.method, LoraConfig) else base


def load_base(config: TrainConfig) -> Any:
    """Load the base model.

    Args:
        config: the recipe.

    Returns:
        The base; in bfloat16 where it stays frozen or the run computes in it.
    """
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        model_source(config.model),
        dtype=torch.bfloat16 if config.bf16 else torch.float32,
        attn_implementation=_attention(),
        use_safetensors=True,
        trust_remote_code=False,
    )


def add_lora(base: Any, method: LoraConfig) -> Any:
    """Put a low-rank adapter beside the linear layers of a base (arXiv:2106.09685).

    Args:
        base: a causal LM.
        method: rank, scale and target layers.

    Returns:
        The PEFT model; only the adapter is trained.
    """
    import peft

    # ZeRO 3 gathers parameters of one dtype: the adapter keeps the base's, its optimizer states are float32.
    return peft.get_peft_model(base, adapter_settings(method), autocast_adapter_dtype=False)


def adapter_settings(method: LoraConfig) -> Any:
    """Translate a method into PEFT's words.

    Args:
        method: rank, scale and target layers.

    Returns:
        A PEFT configuration.
    """
    import peft

    target = method.target_modules if isinstance(method.target_modules, str) else list(method.target_modules)
    return peft.LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=target,
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
