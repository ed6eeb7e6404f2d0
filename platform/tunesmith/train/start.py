"""Training that goes on from a version: its adapter is loaded, and what comes of it is an adapter of the same shape.

    base + adapter of ft:...:a1  --training-->  base + adapter of ft:...:b2, whose parent is ft:...:a1

An engine lays one adapter over a base. So the new one holds all that the old one had learnt, and needs it no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tunesmith.config.train import LoraConfig, TrainConfig
from tunesmith.errors import ConfigError
from tunesmith.records import ModelVersion

SHAPE = ("rank", "alpha", "target_modules", "layers", "rslora")
"""Fields of the method that an adapter is born with."""


def parent_of(config: TrainConfig) -> str | None:
    """The version that a run goes on from.

    Args:
        config: the recipe.

    Returns:
        Its name; None for a run that begins with its base.
    """
    return config.method.start_from if isinstance(config.method, LoraConfig) else None


def shape_of(version: ModelVersion) -> Mapping[str, Any]:
    """What the adapter of a version is like.

    Args:
        version: an adapter.

    Returns:
        The fields of its method that a run that goes on from it has to have too.

    Raises:
        ConfigError: it is a whole model.
    """
    if version.kind != "adapter":
        raise ConfigError(
            f"method.start_from={version.name} is a whole model, not an adapter. Use its folder as `model` "
            f"(`tunesmith models show {version.name}` tells it).",
            param="method.start_from",
        )
    return {name: value for name, value in version.lineage.config.get("method", {}).items() if name in SHAPE}


def with_shape(config: TrainConfig, find: Callable[[str], ModelVersion]) -> TrainConfig:
    """Give a recipe the shape of the adapter that it goes on from.

    Args:
        config: the recipe.
        find: looks a version up.

    Returns:
        The recipe; as it is where it goes on from none.

    Raises:
        ConfigError: the recipe says another shape, or another base.
        ModelNotFoundError: there is no such version.
    """
    name = parent_of(config)
    if name is None:
        return config
    version = find(name)
    shape = LoraConfig.model_validate({**shape_of(version), "start_from": name})
    for field in SHAPE:
        said, is_so = getattr(config.method, field), getattr(shape, field)
        if field in config.method.model_fields_set and said != is_so:
            raise ConfigError(
                f"method.{field}={said}, and the adapter of {name}, from which training goes on, has {is_so}. Leave "
                f"it out, or use --set method.{field}={is_so}.",
                param=f"method.{field}",
            )
    if config.model != version.base:
        raise ConfigError(
            f"model={config.model}, and {name}, from which training goes on, is a version of {version.base}. Use "
            f"--set model={version.base}.",
            param="model",
        )
    changed = {field: getattr(shape, field) for field in SHAPE}
    return config.model_copy(update={"method": config.method.model_copy(update=changed)})


def located(config: TrainConfig, folder: Path) -> TrainConfig:
    """Name the adapter that a run goes on from by its folder: workers know no registry.

    Args:
        config: a recipe that goes on from a version.
        folder: the version's files.

    Returns:
        The recipe for the workers.
    """
    return config.model_copy(update={"method": config.method.model_copy(update={"start_from": str(folder)})})
