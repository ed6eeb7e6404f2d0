from __future__ import annotations

from transformers import LlamaConfig

from tunesmith.config.serve import EngineConfig
from tunesmith.serve.model_limits import ModelLimits


def _llama(**changes: int) -> LlamaConfig:
    shape = {"hidden_size": 192, "num_hidden_layers": 5, "num_attention_heads": 3, "num_key_value_heads": 3}
    return LlamaConfig(**{**shape, "head_dim": 64, "max_position_embeddings": 1024, **changes})


def test_length_is_cut_to_the_models_context() -> None:
    assert ModelLimits.of(_llama(), EngineConfig(max_model_len=2048)).max_model_len == 1024
    assert ModelLimits.of(_llama(), EngineConfig(max_model_len=512)).max_model_len == 512


def test_small_model_takes_the_cache_that_all_sequences_fill() -> None:
    limits = ModelLimits.of(_llama(), EngineConfig(max_num_seqs=32, kv_cache_gib=1))
    per_token = 2 * 5 * 3 * 64 * 2
    assert 32 * 1024 * per_token <= limits.kv_cache_bytes <= 1.2 * 32 * 1024 * per_token


def test_float32_doubles_the_cache() -> None:
    narrow = ModelLimits.of(_llama(), EngineConfig()).kv_cache_bytes
    assert ModelLimits.of(_llama(), EngineConfig(dtype="float32")).kv_cache_bytes == 2 * narrow


def test_large_model_stays_inside_what_is_allowed() -> None:
    limits = ModelLimits.of(_llama(num_hidden_layers=80, max_position_embeddings=131072), EngineConfig())
    assert limits.kv_cache_bytes == 2**30
