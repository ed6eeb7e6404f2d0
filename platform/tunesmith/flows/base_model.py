"""Whether the base model that a platform shall serve is there, said before anything is started."""

from __future__ import annotations

import os
from pathlib import Path

from tunesmith.assets import canonical_base, model_source
from tunesmith.config.serve import ServeConfig
from tunesmith.errors import ModelNotFoundError


def require_model(config: ServeConfig) -> ServeConfig:
    """Make sure that the base model can be loaded, as far as that shows without loading it.

    Args:
        config: names the model: shipped, a folder, or `organization/name` on Hugging Face.

    Returns:
        The config with the base's canonical name: the engine works in another folder, and compares names.

    Raises:
        ModelNotFoundError: nothing by that name.
    """
    name = canonical_base(config.model)
    folder = Path(model_source(name))
    if folder.is_dir():
        _require_weights(folder)
        return config.model_copy(update={"model": name})
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise _not_found(name, "no such folder, no shipped model")
    if os.environ.get("HF_HUB_OFFLINE") in ("1", "true", "yes") and not _cached(name):
        raise _not_found(name, "not in the local Hugging Face cache, and HF_HUB_OFFLINE is set")
    return config


def _require_weights(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise _not_found(str(folder), "the folder holds no config.json")


def _cached(name: str) -> bool:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return (cache / f"models--{name.replace('/', '--')}").is_dir()


def _not_found(name: str, why: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f'model="{name}": {why}. Use a shipped model (tiny-reader), a folder in Hugging Face format, '
        "or organization/name.",
        param="model",
    )
