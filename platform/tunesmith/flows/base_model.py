"""Whether the base models that a platform shall serve are there, said before anything is started."""

from __future__ import annotations

import os
from pathlib import Path

from tunesmith.assets import canonical_base, model_source
from tunesmith.config.serve import ServeConfig
from tunesmith.errors import ConfigError, ModelNotFoundError


def require_models(config: ServeConfig) -> ServeConfig:
    """Make sure that the bases can be loaded, as far as that shows without loading them.

    Args:
        config: names them: shipped, a folder, or `organization/name` on Hugging Face.

    Returns:
        The config with the bases' canonical names: engines work in another folder, and compare names.

    Raises:
        ModelNotFoundError: nothing by that name.
        ConfigError: two names mean one base, or `model` says something else than `bases`.
    """
    if not config.bases:
        return config.model_copy(update={"model": _checked(config.model, field="model")})
    bases = [
        base.model_copy(update={"model": _checked(base.model, field=f"bases.{place}.model")})
        for place, base in enumerate(config.bases)
    ]
    names = [base.model for base in bases]
    for place, name in enumerate(names):
        if (first := names.index(name)) != place:
            given = f'bases.{place}.model="{config.bases[place].model}"'
            raise ConfigError(f"{given} is {name}, as bases.{first}.model is. Name it once.", param="bases")
    if "model" in config.model_fields_set and canonical_base(config.model) != names[0]:
        raise ConfigError(
            f'model="{config.model}" is not the first of bases, which is "{names[0]}". Leave model out, or put that '
            "base first.",
            param="model",
        )
    return config.model_copy(update={"model": names[0], "bases": tuple(bases)})


def _checked(model: str, *, field: str) -> str:
    name = canonical_base(model)
    folder = Path(model_source(name))
    if folder.is_dir():
        _require_weights(folder, field=field)
        return name
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise _not_found(name, "no such folder, no shipped model", field=field)
    if os.environ.get("HF_HUB_OFFLINE") in ("1", "true", "yes") and not _cached(name):
        raise _not_found(name, "not in the local Hugging Face cache, and HF_HUB_OFFLINE is set", field=field)
    return name


def _require_weights(folder: Path, *, field: str) -> None:
    if not (folder / "config.json").is_file():
        raise _not_found(str(folder), "the folder holds no config.json", field=field)


def _cached(name: str) -> bool:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return (cache / f"models--{name.replace('/', '--')}").is_dir()


def _not_found(name: str, why: str, *, field: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f'{field}="{name}": {why}. Use a shipped model (tiny-reader), a folder in Hugging Face format, '
        "or organization/name.",
        param=field,
    )
