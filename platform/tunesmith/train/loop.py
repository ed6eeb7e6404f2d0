"""What each Ray Train worker does: one of TRL's trainers on prepared rows, on a DeepSpeed engine.

Heavy imports happen inside the function, in the worker: the driver only names it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tunesmith.engines.lean_transformers import pass_over_unused
from tunesmith.errors import PlatformError
from tunesmith.jobs.events import append_event
from tunesmith.jobs.folders import ADAPTER, EXPORT
from tunesmith.train.merge import is_merged
from tunesmith.train.spec import LoopSpec

_COME_AGAIN = (AssertionError, AttributeError, ImportError, LookupError, OSError, TypeError, ValueError)
"""Errors of a recipe, a model or a file. What the death of another worker raises in this one is a RuntimeError."""


def train_loop_per_worker(settings: dict[str, Any]) -> None:
    """Train on this worker, from the newest complete checkpoint if there is one.

    Args:
        settings: `{"spec": LoopSpec}`.

    Raises:
        PlatformError: the run cannot go on; also told to the driver as a `failed` event, and so is what ends a
            worker before its first step and would end the next one too.
    """
    spec: LoopSpec = settings["spec"]
    rank = _world_rank()
    log = spec.attempt_folder / f"worker-{rank}.log"
    _send_output_to(log)
    trainer: Any = None
    try:
        _prepare_process(spec)
        trainer = _set_up(spec)
        _train(spec, trainer)
    except PlatformError as error:
        append_event(spec.events, "failed", error=type(error).__name__, message=error.message)
        raise
    except Exception as error:
        if _comes_again(error, trainer):
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            message = f"A worker cannot begin: {reason} Look at its log, {log}."
            append_event(spec.events, "failed", error=type(error).__name__, message=message)
        raise


def _comes_again(error: Exception, trainer: Any) -> bool:
    if trainer is not None and trainer.has_stepped:
        return False
    return isinstance(error, _COME_AGAIN) and not isinstance(error, (ConnectionError, TimeoutError))


def _set_up(spec: LoopSpec) -> Any:
    from transformers import AutoTokenizer

    from tunesmith.train.trainer import build_trainer, training_arguments

    arguments = training_arguments(spec)  # before the model: ZeRO 3 partitions weights as they load
    tokenizer = AutoTokenizer.from_pretrained(spec.prepared.tokenizer_folder)
    return build_trainer(spec, tokenizer, arguments)


def _train(spec: LoopSpec, trainer: Any) -> None:
    from tunesmith.train.export import export_weights, shipped_dtype

    trainer.train(resume_from_checkpoint=_resume_path(spec))
    folder = spec.attempt_folder / (ADAPTER if is_merged(spec.config) else EXPORT)
    export_weights(trainer, trainer.processing_class, folder, dtype=shipped_dtype(spec.config))
    if trainer.is_world_process_zero():
        append_event(spec.events, "exported", step=trainer.state.global_step)


def _resume_path(spec: LoopSpec) -> str | None:
    from tunesmith.train.checkpoint import newest_complete

    state = newest_complete(spec.job_folder)
    return str(state.path) if state else None


def _prepare_process(spec: LoopSpec) -> None:
    """Threads, imports to pass over, and accelerate's view of DeepSpeed, before anything heavy is imported."""
    pass_over_unused()
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch

    torch.manual_seed(spec.config.seed)
    if spec.config.resources.gpus_per_worker:
        return
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // spec.config.resources.num_workers))
    import deepspeed.ops

    # DeepSpeed would compile its shared-memory collectives as soon as accelerate opens its backend: minutes, and a
    # compiler that a laptop need not have. Without them it uses gloo.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False

    from accelerate import PartialState

    # Without a configured state accelerate counts one process on a machine without CUDA, and with use_cpu=True it
    # silently trains with plain DDP instead of DeepSpeed.
    PartialState(backend="gloo")


def _world_rank() -> int:
    import ray.train

    return int(ray.train.get_context().get_world_rank())


def _send_output_to(path: Path) -> None:
    """Point this process's stdout and stderr at a file: the chatter of DeepSpeed and transformers lands there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
