"""What stands behind a model's name: a base, a registered version, or an alias; and which base answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
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
        base: the served base that answers: a configured one, or the version itself where it is a whole model.
        kind: what the name is.
        created_at: Unix seconds.
        owner: who made it.
        stores: vector stores that an alias binds.
        instructions: system turn that an alias binds.
    """

    name: str
    model: str
    base: str
    kind: Kind
    created_at: int
    owner: str
    stores: tuple[str, ...] = ()
    instructions: str | None = None


class Names:
    """Resolves names; the registry is read each time, so a new version answers at once.

    Args:
        registry: makes the registry of a project.
        base: name of the default base.
        started_at: Unix seconds; the creation time of bases and of aliases.
        others: names of further bases.
        stand_ins: further names, and the base that answers to each, where no alias has them.
    """

    def __init__(
        self,
        registry: Callable[[str], Registry],
        *,
        base: str,
        started_at: int,
        others: Sequence[str] = (),
        stand_ins: Mapping[str, str] | None = None,
    ) -> None:
        self._registry = registry
        self._base = base
        self._bases = (base, *others)
        self._stand_ins = stand_ins or {}
        self._started_at = started_at

    def resolve(self, project_id: str, name: str) -> NamedModel:
        """Find what answers under a name.

        Args:
            project_id: whose names count.
            name: a base, a version or an alias.

        Returns:
            The model.

        Raises:
            ModelNotFoundError: nothing, or something that is not served here.
        """
        if name in self._bases:
            return self._base_model(name)
        registry = self._registry(project_id)
        alias = registry.alias(name)
        if alias:
            return self._alias(registry, alias)
        if name in self._stand_ins:
            return dataclasses.replace(self._base_model(self._stand_ins[name]), name=name)
        return self._version(registry, name)

    @property
    def base(self) -> str:
        """Name of the default base."""
        return self._base

    def is_base(self, name: str) -> bool:
        """Whether a name is a base's.

        Args:
            name: any.

        Returns:
            Whether it is.
        """
        return name in self._bases

    def all(self, project_id: str) -> list[NamedModel]:
        """All names that answer: bases, versions (oldest first), aliases.

        Args:
            project_id: whose names count.

        Returns:
            The models.
        """
        registry = self._registry(project_id)
        found = ((version, self._base_of(version)) for version in registry.versions())
        versions = [_version_model(version, base) for version, base in found if base is not None]
        bases = [self._base_model(name) for name in self._bases]
        served = {model.name: model.base for model in (*bases, *versions)}
        aliases = [
            self._alias_model(alias, served[alias.model])
            for alias in registry.aliases()
            if alias.model in served
        ]
        return [*bases, *versions, *aliases]

    def _base_model(self, name: str) -> NamedModel:
        return NamedModel(name, name, name, "base", self._started_at, "tunesmith")

    def _version(self, registry: Registry, name: str) -> NamedModel:
        try:
            version = registry.version(name)
        except ModelNotFoundError as error:
            raise ModelNotFoundError(
                f"The model '{name}' does not exist. GET /v1/models lists those that do.", param="model"
            ) from error
        base = self._base_of(version)
        if base is None:
            raise ModelNotFoundError(
                f"The model '{name}' is a version of {version.base}, and this platform serves "
                f"{', '.join(self._bases)}. Start one with `tunesmith up --model {version.base}`.",
                param="model",
            )
        return _version_model(version, base)

    def _alias(self, registry: Registry, alias: Alias) -> NamedModel:
        if alias.model in self._bases:
            return self._alias_model(alias, alias.model)
        return self._alias_model(alias, self._version(registry, alias.model).base)

    def _alias_model(self, alias: Alias, base: str) -> NamedModel:
        return NamedModel(
            alias.name,
            alias.model,
            base,
            "alias",
            self._started_at,
            alias.project_id,
            alias.stores,
            alias.instructions,
        )

    def _base_of(self, version: ModelVersion) -> str | None:
        """The base that answers for a version: the one it was trained on; a whole model is its own."""
        if version.kind == "full":
            return version.name
        return next((base for base in self._bases if same_base(version.base, base)), None)


def _version_model(version: ModelVersion, base: str) -> NamedModel:
    return NamedModel(version.name, version.name, base, "version", version.created_at, version.project_id)
