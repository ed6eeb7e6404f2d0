"""What vLLM is started with, so that it can be compared with a bare one. Loads no engine."""

from __future__ import annotations

import os
from typing import Any

from transformers import AutoConfig

from tunesmith.serve.model_limits import ModelLimits
from tunesmith.serve.options import EngineOptions
from tunesmith.telemetry.collector import collector_endpoint


def engine_kwargs(options: EngineOptions, *, gpu: bool) -> dict[str, Any]:
    """Translate the knobs.

    Args:
        options: model and limits.
        gpu: whether the engine runs on the replica's GPU.

    Returns:
        vLLM's arguments by their Python names; `--max-num-seqs` is `max_num_seqs`.
    """
    engine = options.engine
    limits = ModelLimits.of(AutoConfig.from_pretrained(options.source), engine)
    kwargs: dict[str, Any] = {
        "max_model_len": limits.max_model_len,
        "max_num_seqs": engine.max_num_seqs,
        "dtype": engine.dtype,
        # The usage tells what came from the prefix cache; the gateway counts it.
        "enable_prompt_tokens_details": True,
        "structured_outputs_config": {
            "backend": "xgrammar",
            "disable_any_whitespace": engine.json_whitespace == "none",
        },
    }
    if options.version is None:
        kwargs |= {"enable_lora": True, "max_loras": engine.max_loras, "max_lora_rank": engine.max_lora_rank}
    if prefill := options.replicas.prefill:
        kwargs["kv_transfer_config"] = {
            "kv_connector": prefill.connector,
            "kv_role": "kv_both",
            # What a reader took with it is read again here; vLLM would fail the request.
            "kv_load_failure_policy": "recompute",
            "kv_connector_extra_config": prefill.connector_options,
        }
    if endpoint := collector_endpoint():
        # vLLM would speak gRPC by default; ours is the HTTP port.
        os.environ.setdefault("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
        kwargs["otlp_traces_endpoint"] = endpoint
    if engine.tool_call_parser:
        kwargs |= {"enable_auto_tool_choice": True, "tool_call_parser": engine.tool_call_parser}
    if engine.reasoning_parser:
        kwargs["reasoning_parser"] = engine.reasoning_parser
    if gpu:
        return {
            **kwargs,
            "gpu_memory_utilization": engine.gpu_memory_utilization,
            "tensor_parallel_size": options.replicas.tensor_parallel_size,
            "pipeline_parallel_size": options.replicas.pipeline_parallel_size,
        }
    return {
        **kwargs,
        "enforce_eager": True,
        "kv_cache_memory_bytes": limits.kv_cache_bytes,
        "disable_custom_all_reduce": True,
    }
