"""Which config model a recipe of which verb has."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tunesmith.config.data import BuildDocumentsConfig
from tunesmith.config.evaluate import EvaluateConfig
from tunesmith.config.ingest import IngestConfig
from tunesmith.config.recipe import read_recipe, validate
from tunesmith.config.serve import ServeConfig
from tunesmith.config.strict import StrictModel
from tunesmith.config.train import TrainConfig
from tunesmith.errors import ConfigError

VERBS: Mapping[str, type[StrictModel]] = MappingProxyType(
    {
        "ingest": IngestConfig,
        "data": BuildDocumentsConfig,
        "train": TrainConfig,
        "serve": ServeConfig,
        "evaluate": EvaluateConfig,
    }
)
"""`verb:` of a recipe -> the model of its fields."""


def check_recipe(name: str) -> StrictModel:
    """Read a recipe by the model of its own verb.

    Args:
        name: a file or a shipped recipe's name.

    Returns:
        The validated config.

    Raises:
        ConfigError: no such verb, or any field is wrong; names every fault at once.
        NotFoundError: no such recipe.
    """
    document = read_recipe(name)
    model = VERBS.get(str(document.get("verb")))
    if model is None:
        raise ConfigError(
            f"{name}: verb={document.get('verb')!r} is none of {', '.join(VERBS)}. Say which one the recipe is for."
        )
    return validate(document, model, where=name)
