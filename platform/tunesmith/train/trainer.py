"""TRL's trainers, set up for rows that are already tokens, and the callback that tells what they do."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import trl.trainer.utils
from datasets import Dataset
from transformers import Trainer, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from tunesmith.config.train import AdapterMethod, DpoObjective, LoraConfig, ReadingDataConfig, TrainConfig
from tunesmith.errors import TrainingError
from tunesmith.jobs.events import append_event
from tunesmith.train.checkpoint import prune, seal, storage_errors
from tunesmith.train.model import adapter_settings, build_model, load_base
from tunesmith.train.named import keep_adapter, num_named
from tunesmith.train.pack import IGNORED
from tunesmith.train.start import parent_of
from tunesmith.train.validation import measure_tokens
from tunesmith.train.zero import zero_config

if TYPE_CHECKING:
    from tunesmith.train.spec import LoopSpec

_TOLD = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "mean_token_accuracy": "mean_token_accuracy",
    "rewards/accuracies": "reward_accuracy",
    "rewards/margins": "reward_margin",
    "rewards/chosen": "reward_preferred",
    "rewards/rejected": "reward_non_preferred",
    "logps/chosen": "logps_preferred",
    "logps/rejected": "logps_non_preferred",
}
"""What is told of a step, by TRL's names."""
_TOLD_OF_VALIDATION = {
    f"eval_{name}": f"valid_{_TOLD[name]}"
    for name in ("loss", "mean_token_accuracy", "rewards/accuracies", "rewards/margins")
}
"""What is told of a measurement on the validation file."""


def training_arguments(spec: LoopSpec) -> SFTConfig | DPOConfig:
    """Translate the recipe into TRL's arguments.

    Args:
        spec: the run.

    Returns:
        The arguments; making them also tells transformers the DeepSpeed configuration.
    """
    config = spec.config
    on_gpu = config.resources.gpus_per_worker > 0
    deepspeed = zero_config(config)
    common: dict[str, Any] = {
        "output_dir": str(spec.attempt_folder),
        "max_steps": spec.num_steps,
        "per_device_train_batch_size": config.micro_batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "adam_beta2": config.adam_beta2,
        "warmup_steps": config.warmup_steps,
        "lr_scheduler_type": scheduler_name(config),
        "bf16": config.bf16 and on_gpu,
        "gradient_checkpointing": config.gradient_checkpointing,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would log a diverged run as one of loss 0
        "save_strategy": "steps",
        "save_steps": config.checkpoint_every_steps,
        **_validation_arguments(config),
        "train_sampling_strategy": "sequential" if isinstance(config.data, ReadingDataConfig) else "random",
        "seed": config.seed,
        "data_seed": config.seed,
        "deepspeed": {**deepspeed, "bf16": {"enabled": config.bf16 and on_gpu}},
        "accelerator_config": {"use_configured_state": True} if not on_gpu else None,
        "remove_unused_columns": False,
        "max_length": None,
        "dataloader_pin_memory": on_gpu,
        "disable_tqdm": True,
        "report_to": [],
    }
    arguments: SFTConfig | DPOConfig
    if isinstance(config.objective, DpoObjective):
        arguments = DPOConfig(**common, **_preference_arguments(config, config.objective))
    else:
        arguments = SFTConfig(**common, packing=False, dataset_kwargs={"skip_prepare_dataset": True})
    # transformers refuses bf16=True on a machine without CUDA unless use_cpu is set, and with use_cpu accelerate
    # drops DeepSpeed; DeepSpeed itself computes in bfloat16 on CPUs.
    arguments.hf_deepspeed_config.config["bf16"] = deepspeed["bf16"]
    return arguments


def _validation_arguments(config: TrainConfig) -> dict[str, Any]:
    if config.validation is None:
        return {}
    return {
        "eval_strategy": "steps",
        "eval_steps": config.validation.every_steps or config.checkpoint_every_steps,
        "per_device_eval_batch_size": config.micro_batch_size,
    }


def _preference_arguments(config: TrainConfig, objective: DpoObjective) -> dict[str, Any]:
    weighted = objective.sft_weight > 0
    return {
        "beta": objective.beta,
        "loss_type": [objective.loss, *(["sft"] if weighted else [])],
        "loss_weights": [1.0, objective.sft_weight] if weighted else None,
        "label_smoothing": objective.label_smoothing,
        # Each pair's reference is computed once, before the first step: no second model is held while training.
        "precompute_ref_log_probs": True,
        "precompute_ref_batch_size": config.micro_batch_size,
        # A base's own dropout would blur the comparison with its reference; what a recipe asks for is kept.
        "disable_dropout": not (isinstance(config.method, LoraConfig) and config.method.dropout),
    }


def scheduler_name(config: TrainConfig) -> str:
    """Name of the schedule in transformers, whose `constant` knows no warm-up.

    Args:
        config: the recipe.

    Returns:
        The value of `lr_scheduler_type`.
    """
    if config.schedule == "constant" and config.warmup_steps:
        return "constant_with_warmup"
    return config.schedule


def build_trainer(spec: LoopSpec, tokenizer: Any, arguments: SFTConfig | DPOConfig) -> CheckpointingTrainer:
    """Put model, rows and callback together.

    Args:
        spec: the run.
        tokenizer: its tokenizer.
        arguments: from `training_arguments`.

    Returns:
        The trainer, ready for `train()`.
    """
    rows, measured_on = Dataset.from_file(str(spec.prepared.rows_file)), validation_rows(spec)
    trainer: CheckpointingTrainer
    if isinstance(spec.config.objective, DpoObjective):
        trainer = _preference_trainer(spec, tokenizer, arguments, rows, measured_on)
    else:
        _score_only_what_is_learned()
        trainer = SupervisedTrainer(
            model=build_model(spec.config, tokenizer),
            args=arguments,
            train_dataset=rows.with_format("torch"),
            eval_dataset=measured_on.with_format("torch") if measured_on else None,
            data_collator=RowCollator(tokenizer.pad_token_id or 0),
            processing_class=tokenizer,
        )
    trainer.add_callback(RunReporter(spec, trainer))
    return trainer


def validation_rows(spec: LoopSpec) -> Dataset | None:
    """What a run is measured on.

    Args:
        spec: the run.

    Returns:
        Rows like those that it learns from; None where the recipe names no file.
    """
    return Dataset.from_file(str(spec.prepared.validation_file)) if spec.config.validation else None


def _preference_trainer(
    spec: LoopSpec, tokenizer: Any, arguments: DPOConfig, rows: Dataset, measured_on: Dataset | None
) -> PreferenceTrainer:
    config = spec.config
    met = num_met(config, num_steps=spec.num_steps, num_rows=len(rows))
    if arguments.process_index == 0:
        # It takes as long as many steps, and nothing else is told meanwhile.
        append_event(spec.events, "reference", num_pairs=met + len(measured_on or ()))
    # TRL itself is to put a new adapter on: given a model that has one, it keeps a copy of it as the reference, where
    # the base without any adapter is the same. One that is trained on is that reference.
    goes_on = parent_of(config) is not None
    adapter = (
        adapter_settings(config.method) if isinstance(config.method, AdapterMethod) and not goes_on else None
    )
    trainer = PreferenceTrainer(
        model=build_model(config, tokenizer) if goes_on else load_base(config),
        args=arguments,
        train_dataset=rows.select(range(met)),
        eval_dataset=measured_on,
        processing_class=tokenizer,
        peft_config=adapter,
    )
    if goes_on:
        # Every pair has its reference by now; the copy would be exported with the adapter.
        trainer.model.delete_adapter("ref")
    return trainer


def num_met(config: TrainConfig, *, num_steps: int, num_rows: int) -> int:
    """How many pairs a run will meet: of one that ends within its first epoch, the others need no reference.

    Args:
        config: the recipe.
        num_steps: optimizer steps of the whole run.
        num_rows: pairs there are, in an order by chance: the first of them are any of them.

    Returns:
        Their number.
    """
    return min(num_rows, num_steps * config.global_batch_size)


def _score_only_what_is_learned() -> None:
    """Have the output layer leave out what does not count in the loss, on CPUs as on GPUs.

    TRL does so only where it has Triton kernels, for the sake of devices that recompile at each new shape. Most of
    a grounded conversation is prompt: scoring it took a third of a step.
    """
    trl.trainer.utils._use_triton = lambda _device: True


class CheckpointingTrainer(Trainer):  # type: ignore[misc]
    """A trainer that leaves a whole checkpoint or none, and says when the disk is full."""

    has_stepped = False
    """Whether this process has taken an optimizer step."""

    def _run_epoch(self, **loop: Any) -> None:
        # transformers looks whether the run is over only after a step: one that goes on from its last checkpoint,
        # because it was killed before its weights were registered, would train past its end.
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        super()._run_epoch(**loop)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        if self.is_world_process_zero():
            shutil.rmtree(folder, ignore_errors=True)  # what a worker left that was killed while saving
        torch.distributed.barrier()
        with storage_errors(folder):
            # Not TRL's own: it writes a model card into every checkpoint.
            Trainer._save_checkpoint(self, model, trial)


class SupervisedTrainer(CheckpointingTrainer, SFTTrainer):  # type: ignore[misc]
    """Learns to write answers."""

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure the model on the validation rows; all ranks call.

        transformers would give each batch the same weight, however few of its tokens count, and count a row twice
        where the ranks do not share the rows out evenly.

        Returns:
            `eval_loss` and `eval_mean_token_accuracy` of all tokens that count.
        """
        measured = {f"eval_{name}": value for name, value in measure_tokens(self).items()}
        self.log(dict(measured))
        self.callback_handler.on_evaluate(self.args, self.state, self.control, measured)
        return measured


class PreferenceTrainer(CheckpointingTrainer, DPOTrainer):  # type: ignore[misc]
    """Learns to prefer one answer to another."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset  # tokens already, by the chat template that is served


class RowCollator:
    """Stack rows into a batch; padding continues the last example's positions, and nothing looks at it.

    Args:
        pad_id: token that fills the rest of a row.
    """

    def __init__(self, pad_id: int) -> None:
        self._pad_id = pad_id

    def __call__(self, rows: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Make one batch.

        Args:
            rows: `input_ids`, `labels` and `position_ids` of each row.

        Returns:
            The same keys, (rows, longest row). No attention mask: the positions say where examples begin.
        """
        width = max(len(row["input_ids"]) for row in rows)
        return {
            "input_ids": torch.stack([_pad(row["input_ids"], width, self._pad_id) for row in rows]),
            "labels": torch.stack([_pad(row["labels"], width, IGNORED) for row in rows]),
            "position_ids": torch.stack([_continue_positions(row["position_ids"], width) for row in rows]),
        }


def _pad(values: torch.Tensor, width: int, filler: int) -> torch.Tensor:
    return torch.nn.functional.pad(values.long(), (0, width - len(values)), value=filler)


def _continue_positions(positions: torch.Tensor, width: int) -> torch.Tensor:
    # Causal attention keeps padding out of every real token's sight; a restart here would only cost a block mask.
    start = int(positions[-1]) + 1
    return torch.cat([positions.long(), torch.arange(start, start + width - len(positions))])


class RunReporter(TrainerCallback):  # type: ignore[misc]
    """Writes events and seals checkpoints; all ranks run it, rank 0 writes.

    Args:
        spec: the run.
        trainer: its trainer.
    """

    def __init__(self, spec: LoopSpec, trainer: CheckpointingTrainer) -> None:
        self._spec = spec
        self._trainer = trainer
        self._last = time.monotonic()
        self._measured: dict[str, float] = {}
        prepared = spec.prepared
        self._tokens_per_step = prepared.num_tokens / prepared.num_rows * spec.config.global_batch_size

    def on_train_begin(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Refuse to train on anything but DeepSpeed: a configuration that is ignored is ignored in silence."""
        import deepspeed

        engine = self._trainer.model_wrapped
        if not isinstance(engine, deepspeed.DeepSpeedEngine):
            raise TrainingError(
                f"The engine is a {type(engine).__name__}, not a DeepSpeedEngine. "
                "Look for a setting that makes accelerate ignore DeepSpeed (ACCELERATE_USE_CPU)."
            )
        # transformers goes on with the interval of the checkpoint it resumed from.
        state.save_steps, state.eval_steps = args.save_steps, args.eval_steps
        self._last = time.monotonic()
        self._tell(
            state,
            "engine",
            engine=type(engine).__name__,
            zero_stage=engine.zero_optimization_stage(),
            world_size=args.world_size,
            threads=torch.get_num_threads(),
            pid=os.getpid(),
            resumed_from=state.global_step,
        )

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note that this process got through a step."""
        self._trainer.has_stepped = True

    def on_log(
        self, _args: Any, state: Any, control: Any = None, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Tell the loss, gradient norm, learning rate and speed of a step; a run that has diverged ends here.

        A step after which the model is measured is told when it has been, with both in one.
        """
        told = told_of(logs or {})
        if not told:
            return
        check_finite(told, step=state.global_step, config=self._spec.config)
        if "loss" in told:
            self._measured = {**told, **self._speed(state.global_step)}
            if control is not None and control.should_evaluate:
                return
        else:
            self._measured |= told
        self._tell(state, "step", step=state.global_step, values=self._measured)
        self._last = time.monotonic()

    def _speed(self, step: int) -> dict[str, float]:
        seconds = time.monotonic() - self._last
        return {
            "tokens": round(self._tokens_per_step * step),
            "tokens_per_second": round(self._tokens_per_step / seconds, 1),
            "seconds": round(seconds, 4),
        }

    def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Seal the checkpoint once every rank has written its part."""
        torch.distributed.barrier()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            # First: a run that is killed before the seal makes both again; after it, it would go on without the name.
            keep_adapter(folder, step=state.global_step, num_kept=num_named(self._spec.config))
            with storage_errors(folder):
                seal(folder, step=state.global_step)
            prune(self._spec.attempt_folder, num_kept=self._spec.config.num_checkpoints_kept)
            self._tell(state, "checkpoint", step=state.global_step)
        torch.distributed.barrier()
        self._last = time.monotonic()

    def _tell(self, state: Any, event_type: str, **fields: Any) -> None:
        if state.is_world_process_zero:
            append_event(self._spec.events, event_type, **fields)


def told_of(logs: Mapping[str, Any]) -> dict[str, float]:
    """Pick from what a trainer logs what is told of a step, or of a measurement on the validation file.

    Args:
        logs: by TRL's names.

    Returns:
        By ours; nothing where it logs something else.
    """
    names = _TOLD if "loss" in logs else _TOLD_OF_VALIDATION
    return {name: float(logs[key]) for key, name in names.items() if key in logs}


def check_finite(measured: Mapping[str, float], *, step: int, config: TrainConfig) -> None:
    """End a run that has diverged: nothing it does from here on is worth its time.

    Runs compute in bfloat16 or float32, without loss scaling: no step of theirs overflows in search of a scale, as
    those of float16 do. A gradient that is not finite is the run's own, and DeepSpeed would pass over the step.

    Args:
        measured: loss and gradient norm of a step; all ranks hold the same values.
        step: the step.
        config: the recipe.

    Raises:
        TrainingError: one of them is not a number or infinite.
    """
    for name, value in measured.items():
        if not math.isfinite(value):
            raise TrainingError(
                f"{name.replace('_', ' ')} is {value} at step {step}: the run has diverged with "
                f"learning_rate={config.learning_rate:g}. Lower it and begin anew: "
                f"--set learning_rate={config.learning_rate / 3:.1g} --fresh."
            )
