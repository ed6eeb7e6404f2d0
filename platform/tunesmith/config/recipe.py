"""A recipe: one YAML file, one verb, one config model. Unknown keys are errors, all told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from tunesmith.config.strict import StrictModel
from tunesmith.errors import ConfigError, NotFoundError

_LONGEST_SHOWN = 200

Config = TypeVar("Config", bound=StrictModel)


def find_recipe(name: str) -> Path:
    """Find a recipe by file path, or by its name among the shipped ones (`tiny/handbook-lora`).

    Args:
        name: a path to a YAML file, or the name of a shipped recipe, with or without `.yaml`.

    Returns:
        The file's path.

    Raises:
        NotFoundError: neither exists; lists the shipped recipes.
    """
    if Path(name).is_file():
        return Path(name)
    candidate = _shipped() / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if candidate.is_file():
        return candidate
    known = ", ".join(shipped_recipes())
    raise NotFoundError(f'Recipe "{name}" is neither a file nor a shipped recipe. Shipped: {known}.')


def shipped_recipes() -> list[str]:
    """The shipped recipes, by name.

    Returns:
        Their names, sorted: `tiny/handbook-lora`.
    """
    return [str(path.relative_to(_shipped()).with_suffix("")) for path in sorted(_shipped().rglob("*.yaml"))]


def _shipped() -> Path:
    return Path(str(files("tunesmith"))) / "recipes"


def read_recipe(name: str) -> dict[str, Any]:
    """Read a recipe as it is written.

    Args:
        name: a file or a shipped recipe's name.

    Returns:
        Its keys and values.

    Raises:
        ConfigError: it is no YAML, or no mapping.
        NotFoundError: no such recipe.
    """
    path = find_recipe(name)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}. Fix the file.") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of keys, this is a {type(document).__name__}.")
    return document


def load_recipe(
    name: str,
    model: type[Config],
    overrides: Sequence[str] = (),
    *,
    fields: Mapping[str, Any] | None = None,
) -> Config:
    """Read, override and validate a recipe.

    Args:
        name: a file or a shipped recipe's name.
        model: the config model of the verb.
        overrides: `path.to.field=value` each, as after `--set`; values are YAML.
        fields: path -> value, for programs: nothing of it is parsed.

    Returns:
        The validated config.

    Raises:
        ConfigError: the YAML or any field is wrong; names every fault at once.
        NotFoundError: no such recipe.
    """
    document = read_recipe(name)
    for override in overrides:
        apply_override(document, override)
    for field, value in (fields or {}).items():
        _set_field(document, field, value, said=field)
    return validate(document, model, where=name)


def apply_override(document: dict[str, Any], override: str) -> None:
    """Set one dotted path in a recipe, in place.

    Args:
        document: the recipe.
        override: `path.to.field=value`.

    Raises:
        ConfigError: there is no `=`, the path runs through something that is not a mapping, or the value is no YAML.
    """
    path, separator, value = override.partition("=")
    if not separator or not path:
        raise ConfigError(f'--set "{override}" has no "=". Write --set path.to.field=value.')
    try:
        parsed = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that no calendar has
        raise ConfigError(
            f'--set "{override}": the value is not valid YAML: {" ".join(str(error).split())}. '
            f"Quote it: --set '{path}=\"...\"'."
        ) from error
    _set_field(document, path, parsed, said=override)


def _set_field(document: dict[str, Any], path: str, value: Any, *, said: str) -> None:
    *parents, leaf = path.split(".")
    target = document
    for key in parents:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise ConfigError(f'--set "{said}": {key} is a value, not a group of fields.')
    target[leaf] = value


def validate(document: dict[str, Any], model: type[Config], *, where: str) -> Config:
    """Turn a mapping into a config, or say every fault of it.

    Args:
        document: keys and values as read.
        model: the config model.
        where: the file or request, for the message.

    Returns:
        The validated config.

    Raises:
        ConfigError: one line a fault.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ConfigError.from_faults(where, [_say(fault) for fault in error.errors()]) from None


def _say(fault: Any) -> str:
    path = ".".join(str(part) for part in fault["loc"]) or "recipe"
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key. Remove it, or look for a spelling mistake."
    if fault["type"] == "missing":
        return f"{path}: missing. Add it."
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"{message}."
    return f"{path}={_short(fault['input'])}: {message}."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
