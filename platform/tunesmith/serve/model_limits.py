"""What a model's own configuration says about how much of it can be served. Loads no engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tunesmith.config.serve import EngineConfig

_BLOCK_TOKENS = 128
"""Tokens of a block of the KV cache on CPU."""


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """How long and how wide a model is served.

    Attributes:
        max_model_len: longest prompt plus answer, in tokens.
        kv_cache_bytes: memory of the KV cache on CPU.
    """

    max_model_len: int
    kv_cache_bytes: int

    @classmethod
    def of(cls, model: Any, engine: EngineConfig) -> ModelLimits:
        """Bound the knobs by the model.

        Args:
            model: its Hugging Face configuration.
            engine: the knobs.

        Returns:
            What is asked, cut down to what the model has and needs.
        """
        context = getattr(model, "max_position_embeddings", None) or engine.max_model_len
        length = min(engine.max_model_len, context)
        wanted = int(engine.kv_cache_gib * 2**30)
        # vLLM fills the cache with zeros at the start: all of it is held, used or not. A small model
        # cannot use more than every sequence at full length takes.
        return cls(length, min(wanted, _whole_cache(model, engine, length) or wanted))


def _even_share(model: Any) -> int | None:
    """The width of a head where a configuration leaves it out: transformers fills it in so."""
    hidden, heads = getattr(model, "hidden_size", None), getattr(model, "num_attention_heads", None)
    return hidden // heads if hidden and heads else None


def _whole_cache(model: Any, engine: EngineConfig, length: int) -> int | None:
    heads = getattr(model, "num_key_value_heads", None)
    layers = getattr(model, "num_hidden_layers", None)
    width = getattr(model, "head_dim", None) or _even_share(model)
    if not (heads and layers and width):
        return None
    blocks = engine.max_num_seqs * (length // _BLOCK_TOKENS + 1) + 1
    number_bytes = 4 if engine.dtype == "float32" else 2
    return int(2 * layers * heads * width * number_bytes * blocks * _BLOCK_TOKENS)
