"""What stands behind a model's name: the base, a registered version of it, or an alias."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from tunesmith.assets import same_base
from tunesmith.errors import ModelNotFoundError
from tunesmith.records import Alias, ModelVersion
from tunesmith.stores.registry import Registry

Kind = Literal["base", "version", "alias"]


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A name that answers.

    Attributes:
        name: as asked for.
        model: what the engine calls it: the base's name or a full version name.
        kind: what the name is.
        created_at: Unix seconds.
        owner: who made it.
        stores: vector stores that an alias binds.
        instructions: system turn that an alias binds.
    """

    name: str
    model: str
    kind: Kind
    created_at: int
    owner: str
    stores: tuple[str, ...] = ()
    instructions: str | None = None


class Names:
    """Resolves names; the registry is read each time, so a new version answers at once.

    Args:
        registry: makes the registry of a project.
        base: name of the served base model.
        started_at: Unix seconds; the creation time of the base and of aliases.
        stand_ins: further names that the base answers to, where no alias has them.
    """

    def __init__(
        self,
        registry: Callable[[str], Registry],
        *,
        base: str,
        started_at: int,
        stand_ins: Collection[str] = (),
    ) -> None:
        self._registry = registry
        self._base = base
        self._stand_ins = frozenset(stand_ins)
        self._started_at = started_at

    def resolve(self, project_id: str, name: str) -> NamedModel:
        """Find what answers under a name.

        Args:
            project_id: whose names count.
            name: the base, a version or an alias.

        Returns:
            The model.

        Raises:
            ModelNotFoundError: nothing, or something that is not served here.
        """
        if name == self._base:
            return self._base_model()
        registry = self._registry(project_id)
        alias = registry.alias(name)
        if alias:
            return self._alias(registry, alias)
        if name in self._stand_ins:
            return dataclasses.replace(self._base_model(), name=name)
        return self._version(registry, name)

    @property
    def base(self) -> str:
        """Name of the served base model."""
        return self._base

    def all(self, project_id: str) -> list[NamedModel]:
        """All names that answer: base, versions (oldest first), aliases.

        Args:
            project_id: whose names count.

        Returns:
            The models.
        """
        registry = self._registry(project_id)
        versions = [_version_model(version) for version in registry.versions() if self._serves(version)]
        served = {self._base, *(version.name for version in versions)}
        aliases = [self._alias_model(alias) for alias in registry.aliases() if alias.model in served]
        return [self._base_model(), *versions, *aliases]

    def _base_model(self) -> NamedModel:
        return NamedModel(self._base, self._base, "base", self._started_at, "tunesmith")

    def _version(self, registry: Registry, name: str) -> NamedModel:
        try:
            version = registry.version(name)
        except ModelNotFoundError as error:
            raise ModelNotFoundError(
                f"The model '{name}' does not exist. GET /v1/models lists those that do.", param="model"
            ) from error
        if version.kind == "full":
            raise ModelNotFoundError(
                f"The model '{name}' is a whole model, not an adapter of {self._base}, which this platform serves. "
                f"`tunesmith models show {name}` tells its folder; `tunesmith up --model FOLDER` serves it.",
                param="model",
            )
        if not self._serves(version):
            raise ModelNotFoundError(
                f"The model '{name}' is a version of {version.base}, and this platform serves {self._base}. "
                f"Start one with `tunesmith up --model {version.base}`.",
                param="model",
            )
        return _version_model(version)

    def _alias(self, registry: Registry, alias: Alias) -> NamedModel:
        if alias.model != self._base:
            self._version(registry, alias.model)
        return self._alias_model(alias)

    def _alias_model(self, alias: Alias) -> NamedModel:
        return NamedModel(
            alias.name,
            alias.model,
            "alias",
            self._started_at,
            alias.project_id,
            alias.stores,
            alias.instructions,
        )

    def _serves(self, version: ModelVersion) -> bool:
        return version.kind == "adapter" and same_base(version.base, self._base)


def _version_model(version: ModelVersion) -> NamedModel:
    return NamedModel(version.name, version.name, "version", version.created_at, version.project_id)
