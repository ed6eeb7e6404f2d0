"""Which model the tuned arms ask: a version, an alias, or what a training run made."""

from __future__ import annotations

from tunesmith.errors import ModelNotFoundError
from tunesmith.stores.registry import Registry


def find_tuned(name: str, registry: Registry) -> str:
    """Turn the recipe's `tuned` into a name of the API.

    Args:
        name: a version's name, an alias, or the name of a training run.
        registry: the project's registry.

    Returns:
        A version's name: the name itself, the one that the alias points at now (so that every question meets
        the same model, and the report names it), or the newest of the run.

    Raises:
        ModelNotFoundError: there is nothing of this name; lists what there is.
    """
    versions = registry.versions()
    if any(version.name == name for version in versions):
        return name
    alias = registry.alias(name)
    if alias:
        return alias.model
    ends = [version for version in versions if version.step is None]
    made = [version.name for version in ends if version.lineage.config.get("name") == name]
    if made:
        return made[-1]
    known = ", ".join(version.name for version in versions) or "none yet; `tunesmith train` makes one"
    raise ModelNotFoundError(
        f'tuned="{name}" is no version, alias or training run. Registered: {known}.', param="tuned"
    )
