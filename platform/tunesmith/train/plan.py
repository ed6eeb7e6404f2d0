"""`tunesmith plan`: what a run will take, told before it takes it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tunesmith.assets import same_base
from tunesmith.config.home import Home
from tunesmith.config.train import AdapterMethod, DpoObjective, FullConfig, ScratchConfig, TrainConfig
from tunesmith.datasets.sources import load_data
from tunesmith.records import DEFAULT_PROJECT
from tunesmith.stores.database import open_home_database
from tunesmith.stores.registry import Registry
from tunesmith.train.base import empty_base, settle_base
from tunesmith.train.prepare import Prepared, prepare
from tunesmith.train.publish import base_name
from tunesmith.train.steps import num_steps

_PROCESS_BYTES = 1.2 * 2**30  # Python, torch, DeepSpeed and their buffers, in each worker
_BYTES_PER_ACTIVATION = 16  # values kept for the backward pass, per token, layer and hidden unit
_MATMUL_SHARE = 0.3  # of the speed of a bare matrix product that training reaches
# What a plan reckons with where the recipe's GPUs are elsewhere, by NVIDIA's data sheet.
_ABSENT_GPU = "A100 80 GB"
_ABSENT_GPU_BYTES = 80 * 2**30
_ABSENT_GPU_SPEED = 312e12
_DECIDE_SPEED = (
    "sequence_length",
    "packing",
    "micro_batch_size",
    "gradient_checkpointing",
    "bf16",
    "zero_stage",
    "offload_optimizer",
    "offload_param",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take.

    Attributes:
        num_examples: conversations, or pairs of answers.
        num_rows: packed rows of one epoch, or pairs.
        num_tokens: tokens of one epoch.
        num_steps: optimizer steps.
        trained_tokens: tokens over all steps.
        parameters: weights of the model.
        trainable: weights that are trained.
        memory_bytes: what one worker needs.
        available_bytes: what one worker has.
        device: what the plan reckons with; says so where the recipe's device is not in this machine.
        tokens_per_second: expected speed of the whole run, over all workers.
        speed_source: `an earlier run`, `a matrix product`, or the data sheet of a device that is not here.
        reference_minutes: of dpo, what the base's log-probabilities of its pairs take, before the first step.
        minutes: expected duration after the start-up, that included.
        worker_hours: the same times the workers: what is paid for.
    """

    num_examples: int
    num_rows: int
    num_tokens: int
    num_steps: int
    trained_tokens: int
    parameters: int
    trainable: int
    memory_bytes: int
    available_bytes: int
    device: str
    tokens_per_second: float
    speed_source: str
    reference_minutes: float
    minutes: float
    worker_hours: float

    @property
    def fits(self) -> bool:
        """Whether a worker has the memory it needs."""
        return self.memory_bytes <= self.available_bytes


def plan_training(config: TrainConfig, *, home: Home, memory_gib: float | None = None) -> Plan:
    """Reckon what a run will take; nothing is trained and no accelerator is held.

    Args:
        config: the recipe.
        home: the installation; an earlier run of the same base and method on the same workers gives the speed.
        memory_gib: memory of each worker, GiB; unset: what this machine has.

    Returns:
        The plan.

    Raises:
        PlatformError: the data is bad, an example is too long, there is no such model, or it does not fit the recipe.
    """
    config = settle_base(config)
    load = partial(load_data, config)
    with tempfile.TemporaryDirectory(prefix="ts-plan-") as folder:
        prepared = prepare(config, load, Path(folder) / "prepared")
        model = _empty_model(config, prepared)
    total, trainable = _count(model)
    steps = num_steps(config, num_rows=prepared.num_rows)
    tokens = round(prepared.num_tokens / prepared.num_rows * config.global_batch_size * steps)
    speed, source = _speed(config, home, total)
    reference = _reference_tokens(config, prepared, steps) / speed
    seconds = reference + tokens / speed
    return Plan(
        num_examples=prepared.num_examples,
        num_rows=prepared.num_rows,
        num_tokens=prepared.num_tokens,
        num_steps=steps,
        trained_tokens=tokens,
        parameters=total,
        trainable=trainable,
        memory_bytes=memory_of_worker(config, model.config, total=total, trainable=trainable),
        available_bytes=_available(config, memory_gib),
        device=_device(config),
        tokens_per_second=round(speed, 1),
        speed_source=source,
        reference_minutes=round(reference / 60, 2),
        minutes=round(seconds / 60, 2),
        worker_hours=round(seconds / 3600 * config.resources.num_workers, 3),
    )


def memory_of_worker(config: TrainConfig, shape: Any, *, total: int, trainable: int) -> int:
    """Reckon the memory of one worker: weights, gradients, optimizer, activations, the process itself.

    The reference of dpo takes none: it is computed before the first step and let go.

    Args:
        config: the recipe; ZeRO spreads optimizer (1), gradients (2) and weights (3) over the workers.
        shape: the model's configuration (`hidden_size`, `num_hidden_layers`).
        total: weights of the model.
        trainable: weights that are trained.

    Returns:
        Bytes.
    """
    workers, stage = config.resources.num_workers, config.zero_stage
    width = 2 if config.bf16 else 4
    weights = total * width / (workers if stage == 3 else 1)
    gradients = trainable * width / (workers if stage >= 2 else 1)
    moments = 8 + (4 if config.bf16 else 0)  # two AdamW moments, and a float32 copy of bfloat16 weights
    optimizer = 0 if config.offload_optimizer else trainable * moments / (workers if stage >= 1 else 1)
    sequences = config.micro_batch_size * (2 if isinstance(config.objective, DpoObjective) else 1)
    tokens = sequences * config.sequence_length
    kept = 1 if config.gradient_checkpointing else _BYTES_PER_ACTIVATION
    activations = tokens * shape.hidden_size * shape.num_hidden_layers * kept * width
    return int(weights + gradients + optimizer + activations + _PROCESS_BYTES)


def _empty_model(config: TrainConfig, prepared: Prepared) -> Any:
    """What is trained, without its weights."""
    import torch
    from transformers import AutoTokenizer

    from tunesmith.train.model import add_adapter, freeze_lowest, new_llama

    if isinstance(config.method, ScratchConfig):
        tokenizer = AutoTokenizer.from_pretrained(prepared.tokenizer_folder)
        with torch.device("meta"):
            return new_llama(config.method, tokenizer)
    base = empty_base(config.model)
    if isinstance(config.method, FullConfig):
        freeze_lowest(base, config.method.frozen_layers)
    return add_adapter(base, config.method) if isinstance(config.method, AdapterMethod) else base


def _count(model: Any) -> tuple[int, int]:
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)


def _has_device(config: TrainConfig) -> bool:
    """Whether this machine has what a worker of the recipe computes on."""
    import torch

    return not config.resources.gpus_per_worker or bool(torch.cuda.is_available())


def _device(config: TrainConfig) -> str:
    import torch

    workers = config.resources.num_workers
    if not config.resources.gpus_per_worker:
        return f"the CPUs of this machine, shared by {workers} worker{'s' if workers > 1 else ''}"
    if _has_device(config):
        return f"{workers} x {torch.cuda.get_device_name(0)}, as in this machine"
    return f"{workers} x {_ABSENT_GPU}, ASSUMED: this machine has no GPU"


def _available(config: TrainConfig, memory_gib: float | None) -> int:
    if memory_gib is not None:
        return int(memory_gib * 2**30)
    if not config.resources.gpus_per_worker:
        return int(psutil.virtual_memory().available / config.resources.num_workers)
    if not _has_device(config):
        return _ABSENT_GPU_BYTES
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory)


def _speed(config: TrainConfig, home: Home, parameters: int) -> tuple[float, str]:
    for version in reversed(Registry(open_home_database(home), DEFAULT_PROJECT).versions()):
        earlier = version.lineage
        if same_base(earlier.base, base_name(config)) and _runs_alike(earlier.config, config):
            measured = earlier.metrics.get("tokens_per_second")
            if measured:
                return measured, "an earlier run"
    operations = _operations_per_weight(config) * parameters
    # Each worker has a GPU of its own; on CPUs the workers share those that were measured.
    gpus = min(1.0, config.resources.gpus_per_worker)
    devices = config.resources.num_workers * gpus if gpus else 1
    if not _has_device(config):
        return devices * _ABSENT_GPU_SPEED * _MATMUL_SHARE / operations, f"the data sheet of an {_ABSENT_GPU}"
    return devices * _matmul_speed(config) * _MATMUL_SHARE / operations, "a matrix product"


def _operations_per_weight(config: TrainConfig) -> int:
    """A token costs two forwards and four backwards; frozen weights have no gradient of their own."""
    return 4 if isinstance(config.method, AdapterMethod) else 6


def _reference_tokens(config: TrainConfig, prepared: Prepared, steps: int) -> float:
    """Tokens of training that take as long as the base's one forward pass over the pairs that a run meets."""
    if not isinstance(config.objective, DpoObjective):
        return 0.0
    met = min(1.0, steps * config.global_batch_size / prepared.num_rows)
    return met * prepared.num_tokens * 2 / _operations_per_weight(config)


def _runs_alike(earlier: Mapping[str, Any], config: TrainConfig) -> bool:
    """Whether a run had the same work on the same workers, so that its speed is that of another."""
    now = config.model_dump(mode="json")
    workers = ("num_workers", "cpus_per_worker", "gpus_per_worker")
    return (
        earlier["method"]["type"] == now["method"]["type"]
        and earlier.get("objective", {"type": "sft"})["type"] == now["objective"]["type"]
        and all(earlier["resources"].get(name) == now["resources"][name] for name in workers)
        and all(earlier.get(name) == now[name] for name in _DECIDE_SPEED)
    )


def _matmul_speed(config: TrainConfig) -> float:
    """Floating-point operations per second of a bfloat16 matrix product on what a worker computes on."""
    import torch

    on_gpu = config.resources.gpus_per_worker > 0
    device, size = ("cuda", 4096) if on_gpu else ("cpu", 768)
    matrix = torch.randn(size, size, dtype=torch.bfloat16, device=device)
    matrix @ matrix
    started, rounds = time.perf_counter(), 8
    for _ in range(rounds):
        product = matrix @ matrix
    product.sum().item()
    return rounds * 2 * size**3 / (time.perf_counter() - started)
