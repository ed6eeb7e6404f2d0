"""From a fine-tuning request of the OpenAI API to a recipe.

model                           -> model; of a version, method.start_from and the shape of its adapter
training_file, validation_file  -> data.path, validation.path
method.type                     -> objective.type: supervised is sft
method.<type>.hyperparameters: n_epochs, batch_size, learning_rate_multiplier, beta
                                -> num_epochs, global_batch_size, times learning_rate, objective.beta
suffix, seed                    -> suffix, seed
tunesmith.recipe                -> the recipe that all this is laid over
tunesmith.set, metadata["tunesmith.method.rank"]
                                -> any other field, as after `--set` on the command line
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from tunesmith.config.recipe import load_recipe
from tunesmith.config.serve import EngineConfig
from tunesmith.config.train import LoraConfig, ScratchConfig, TrainConfig
from tunesmith.errors import ConfigError
from tunesmith.records import ModelVersion
from tunesmith.train.start import shape_of

_PREFIX = "tunesmith."
_OPEN = frozenset(
    {
        "adam_beta2",
        "bf16",
        "checkpoint_every_steps",
        "gradient_checkpointing",
        "learning_rate",
        "loss_on",
        "max_grad_norm",
        "max_steps",
        "method.alpha",
        "method.dropout",
        "method.frozen_layers",
        "method.layers",
        "method.merge",
        "method.rank",
        "method.rslora",
        "method.target_modules",
        "micro_batch_size",
        "objective.beta",
        "objective.label_smoothing",
        "objective.loss",
        "objective.sft_weight",
        "offload_optimizer",
        "offload_param",
        "packing",
        "resources.num_workers",
        "schedule",
        "sequence_length",
        "validation.every_steps",
        "warmup_steps",
        "weight_decay",
        "zero_stage",
    }
)
"""Fields of a recipe that a request may set: no name, no place where files or models lie, no share of a machine."""
_DEFAULT_SUFFIX = "tuned"
_RECIPE = re.compile(r"^[a-z0-9-]+/[a-z0-9-]+$")

_SET_SCHEMA = {"type": "object", "propertyNames": {"enum": sorted(_OPEN)}}

_OBJECTIVES = {"supervised": "sft", "dpo": "dpo"}

Auto = Literal["auto"]


class Hyperparameters(BaseModel):
    """What the API lets a client choose."""

    model_config = ConfigDict(extra="forbid")
    n_epochs: Auto | Annotated[int, Field(ge=1, le=50)] = "auto"
    """Passes over the data."""
    batch_size: Auto | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Rows per step, over all workers; a row holds as many conversations as fit into it."""
    learning_rate_multiplier: Auto | Annotated[float, Field(gt=0, allow_inf_nan=False)] = "auto"
    """Times the recipe's learning rate."""


class DpoHyperparameters(Hyperparameters):
    """What the API lets a client choose for dpo."""

    beta: Auto | Annotated[float, Field(gt=0, le=2)] = "auto"
    """How dear it is to leave the base."""


class SupervisedPart(BaseModel):
    """The settings of supervised fine-tuning."""

    model_config = ConfigDict(extra="forbid")
    hyperparameters: Hyperparameters = Hyperparameters()
    """Of this method."""


class DpoPart(BaseModel):
    """The settings of dpo."""

    model_config = ConfigDict(extra="forbid")
    hyperparameters: DpoHyperparameters = DpoHyperparameters()
    """Of this method."""


_METHOD_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "properties": {
                "type": {"type": "string", "enum": [served]},
                **{
                    other: {"type": "null"}
                    for other in ("supervised", "dpo", "reinforcement")
                    if other != served
                },
            }
        }
        for served in _OBJECTIVES
    ]
}
"""Settings are those of the type, and there is a trainer for it."""
_REQUEST_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"properties": {"hyperparameters": {"type": "null"}}},
        {
            "properties": {
                "method": {
                    "anyOf": [
                        {"type": "null"},
                        {
                            "type": "object",
                            "properties": {"type": {"type": "string", "enum": ["supervised"]}},
                        },
                    ]
                }
            }
        },
    ]
}
"""The older place of hyperparameters is that of supervised ones."""


class MethodFields(BaseModel):
    """How to train."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_METHOD_SCHEMA)
    type: Literal["supervised", "dpo", "reinforcement"]
    """What the data holds: conversations, pairs of answers, or (which has no trainer) prompts with a grader."""
    supervised: SupervisedPart | None = None
    """Settings of supervised fine-tuning."""
    dpo: DpoPart | None = None
    """Settings of direct preference optimization."""
    reinforcement: dict[str, Any] | None = None
    """Refused: there is no trainer for it."""


class Extension(BaseModel):
    """What this platform takes beyond the API, in `extra_body={"tunesmith": {...}}`."""

    model_config = ConfigDict(extra="forbid")
    recipe: str | None = Field(None, json_schema_extra={"pattern": _RECIPE.pattern})
    """A shipped recipe, by name."""
    set: Annotated[dict[str, Any], WithJsonSchema(_SET_SCHEMA)] = {}
    """Fields of the recipe: `{"method.rank": 8, "zero_stage": 3}`."""


class FineTuningFields(BaseModel):
    """A request for a job."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_REQUEST_SCHEMA)
    model: str = Field(min_length=1)
    """The base, or a version that training goes on from."""
    training_file: str = Field(min_length=1)
    """Id of an uploaded file of purpose `fine-tune`."""
    validation_file: str | None = None
    """Id of another one: the job is measured on it, and learns nothing from it."""
    suffix: str | None = Field(None, min_length=1, max_length=64)
    """Fourth part of the version's name."""
    seed: int | None = Field(None, ge=0, le=2147483647)
    """Of weights and data order."""
    method: MethodFields | None = None
    """How to train."""
    hyperparameters: Hyperparameters | None = None
    """The older place of `method.supervised.hyperparameters`."""
    integrations: list[dict[str, Any]] | None = Field(None, json_schema_extra={"maxItems": 0})
    """Refused: nothing is sent elsewhere."""
    metadata: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]] | None = (
        Field(None, max_length=16)
    )
    """Kept; keys that begin with `tunesmith.` are fields of the recipe."""
    tunesmith: Extension = Extension()
    """What the API has no field for."""


def method_type(fields: FineTuningFields) -> Literal["supervised", "dpo"]:
    """Which of the served methods a request asks for.

    Args:
        fields: the request.

    Returns:
        `supervised` where it names none.

    Raises:
        ConfigError: it asks for reinforcement.
    """
    asked = fields.method.type if fields.method else "supervised"
    if asked == "reinforcement":
        raise ConfigError(
            "method.type 'reinforcement' has no trainer on this platform. Use 'supervised' with conversations, or "
            "'dpo' with pairs of answers (a grader's best and worst answer to a prompt make such a pair).",
            param="method.type",
            code="unsupported_method",
        )
    return asked


def chosen_hyperparameters(fields: FineTuningFields) -> Hyperparameters:
    """The hyperparameters, wherever the request has them.

    Args:
        fields: the request.

    Returns:
        What was chosen; for dpo with a beta.
    """
    method = fields.method or MethodFields(type="supervised")
    if method.type == "dpo":
        return (method.dpo or DpoPart()).hyperparameters
    if method.supervised:
        return method.supervised.hyperparameters
    return fields.hyperparameters or Hyperparameters()


def refuse_what_is_not_there(fields: FineTuningFields) -> None:
    """Refuse what could only be passed over in silence.

    Args:
        fields: the request.

    Raises:
        ConfigError: names the field and the way out.
    """
    kind = method_type(fields)
    for other in {"supervised", "dpo", "reinforcement"} - {kind}:
        if getattr(fields.method, other, None) is not None:
            raise ConfigError(
                f"method.{other} has settings, and method.type is '{kind}'. Leave method.{other} out, or set the type.",
                param=f"method.{other}",
            )
    if kind == "dpo" and fields.hyperparameters:
        raise ConfigError(
            "hyperparameters is the older place of those of supervised fine-tuning. Use method.dpo.hyperparameters.",
            param="hyperparameters",
        )
    if fields.integrations:
        raise ConfigError(
            "Integrations are not supported: nothing leaves this platform. GET the job's events instead.",
            param="integrations",
            code="unsupported_parameter",
        )


def recipe_for(
    fields: FineTuningFields,
    *,
    job_id: str,
    base: str,
    default_recipe: str,
    default_length: int,
    resources: Mapping[str, Any] = MappingProxyType({}),
    parent: ModelVersion | None = None,
) -> TrainConfig:
    """Make the recipe of a job.

    Args:
        fields: the request.
        job_id: name of the run.
        base: the base model that the request's `model` stands for.
        default_recipe: recipe to lay the request over, that of its method.
        default_length: most tokens of a row where the request says nothing of it.
        resources: what the platform gives every job, see `JobsConfig.resources`.
        parent: the version that the request's `model` names, if it names one: training goes on from it.

    Returns:
        The recipe, checked.

    Raises:
        ConfigError: a hyperparameter, a field or the recipe is wrong.
    """
    recipe = fields.tunesmith.recipe or (fields.metadata or {}).get(f"{_PREFIX}recipe") or default_recipe
    # By name only: a path would read any file that the gateway can.
    if not _RECIPE.match(recipe):
        raise ConfigError(
            f"'{recipe}' is not the name of a shipped recipe, as '{default_recipe}' is one.",
            param="tunesmith.recipe",
        )
    plain = load_recipe(recipe, TrainConfig)
    _require_objective(fields, recipe, plain)
    chosen = {
        "sequence_length": min(plain.sequence_length, default_length),
        **resources,
        **_extras(fields),
        **_hyperparameters(chosen_hyperparameters(fields), plain),
        "name": job_id,
        "model": base,
        "suffix": slug(fields.suffix) if fields.suffix else _DEFAULT_SUFFIX,
        "data": {"type": "file", "path": fields.training_file},
        **(_from_parent(fields, parent) if parent else {}),
    }
    if fields.seed is not None:
        chosen["seed"] = fields.seed
    if fields.validation_file:
        chosen["validation.path"] = fields.validation_file
    try:
        config = load_recipe(recipe, TrainConfig, fields=chosen)
    except ConfigError as error:
        if error.param is None and _extras(fields):
            error.param = "tunesmith.set"
        raise
    _require_base(config)
    return config


def _from_parent(fields: FineTuningFields, parent: ModelVersion) -> dict[str, Any]:
    shape = {f"method.{name}": value for name, value in shape_of(parent).items()}
    for path in _extras(fields):
        if path in shape:
            raise ConfigError(
                f"'{path}' cannot be set where training goes on from a version: the adapter of {parent.name} has "
                f"{shape[path]}. Leave it out, or train on '{parent.base}'.",
                param=f"tunesmith.set.{path}",
            )
    return {**shape, "method.start_from": parent.name}


def _require_objective(fields: FineTuningFields, recipe: str, plain: TrainConfig) -> None:
    """A recipe's learning rate and batches suit its objective, so another one is not laid over it."""
    asked, objective = method_type(fields), plain.objective.type
    if objective != _OBJECTIVES[asked]:
        wanted = next(method for method, each in _OBJECTIVES.items() if each == objective)
        raise ConfigError(
            f"Recipe '{recipe}' is for method.type '{wanted}', and the request's is '{asked}'. Use that type, or "
            "another recipe.",
            param="tunesmith.recipe",
        )


def _require_base(config: TrainConfig) -> None:
    if isinstance(config.method, ScratchConfig):
        raise ConfigError(
            "A job tunes a base; the recipe's method ('scratch') makes a model without one. Use `tunesmith train`.",
            param="tunesmith.recipe",
            code="unsupported_method",
        )


def require_servable(config: TrainConfig, *, engine: EngineConfig, max_workers: int) -> None:
    """Refuse what would be trained for hours and then could not be served, or held.

    Args:
        config: the recipe.
        engine: what it can serve.
        max_workers: most workers of one job.

    Raises:
        ConfigError: names the field and the most it may be.
    """
    served_rank = (
        config.method.rank if isinstance(config.method, LoraConfig) and not config.method.merge else 0
    )
    if served_rank > engine.max_lora_rank:
        raise ConfigError(
            f"method.rank={served_rank} is more than the engine serves. Use {engine.max_lora_rank} or less, or "
            "start the platform with more (engine.max_lora_rank).",
            param="tunesmith.set.method.rank",
        )
    if config.sequence_length > engine.max_model_len:
        raise ConfigError(
            f"sequence_length={config.sequence_length} is more than the engine reads: what the model learns there "
            f"could never be asked. Use {engine.max_model_len} or less, or start the platform with more "
            "(engine.max_model_len).",
            param="tunesmith.set.sequence_length",
        )
    if config.resources.num_workers > max_workers:
        raise ConfigError(
            f"resources.num_workers={config.resources.num_workers} is more than a job may have. Use {max_workers} or "
            "less, or start the platform with more (jobs.max_workers).",
            param="tunesmith.set.resources.num_workers",
        )


def slug(suffix: str) -> str:
    """Turn a suffix into what a version's name may hold.

    Args:
        suffix: as requested.

    Returns:
        Lower-case letters, digits and dashes.
    """
    return re.sub(r"[^a-z0-9]+", "-", suffix.lower()).strip("-")[:63] or _DEFAULT_SUFFIX


def _hyperparameters(chosen: Hyperparameters, recipe: TrainConfig) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if chosen.n_epochs != "auto":
        fields |= {"num_epochs": chosen.n_epochs, "max_steps": None}
    if chosen.batch_size != "auto":
        fields |= batch_fields(chosen.batch_size, recipe)
    if chosen.learning_rate_multiplier != "auto":
        fields["learning_rate"] = recipe.learning_rate * chosen.learning_rate_multiplier
    if isinstance(chosen, DpoHyperparameters) and chosen.beta != "auto":
        fields["objective.beta"] = chosen.beta
    return fields


def batch_fields(batch_size: int, recipe: TrainConfig) -> dict[str, Any]:
    """Share a batch out among workers; an odd one has only one.

    Args:
        batch_size: rows per step.
        recipe: whose workers and micro-batches are the most.

    Returns:
        Fields of the recipe.
    """
    workers = max(n for n in range(1, recipe.resources.num_workers + 1) if batch_size % n == 0)
    each = batch_size // workers
    micro = max(n for n in range(1, recipe.micro_batch_size + 1) if each % n == 0)
    return {
        "global_batch_size": batch_size,
        "micro_batch_size": micro,
        "resources": {**recipe.resources.model_dump(), "num_workers": workers},
    }


def _extras(fields: FineTuningFields) -> dict[str, Any]:
    said = {
        key.removeprefix(_PREFIX): _scalar(value)
        for key, value in (fields.metadata or {}).items()
        if key.startswith(_PREFIX) and key != f"{_PREFIX}recipe"
    }
    chosen = {**said, **fields.tunesmith.set}
    for path in chosen:
        if path not in _OPEN:
            raise ConfigError(
                f"'{path}' cannot be set by a request. These can: {', '.join(sorted(_OPEN))}.",
                param=f"tunesmith.set.{path}",
            )
    return chosen


def _scalar(value: str) -> Any:
    """What a metadata string stands for: a number, true, false, null, else itself."""
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed if isinstance(parsed, int | float | bool | None) else value
