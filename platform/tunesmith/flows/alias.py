"""Point an alias at a model of a home, whether or not its platform runs."""

from __future__ import annotations

from tunesmith.config.home import Home
from tunesmith.config.serve import ServeConfig
from tunesmith.gateway.aliases import AliasFields, bind_alias
from tunesmith.gateway.body import check_fields
from tunesmith.gateway.names import Names
from tunesmith.records import Alias
from tunesmith.stores.database import open_home_database
from tunesmith.stores.platform_file import RunningPlatform, read_running
from tunesmith.stores.registry import Registry


def point_alias(home: Home, alias: Alias) -> Alias:
    """Make or move an alias, by the rules of `POST /v1/aliases`.

    Args:
        home: the installation.
        alias: as it shall be.

    Returns:
        The alias as stored.

    Raises:
        ModelNotFoundError: it points at nothing.
        NotFoundError: a store does not exist.
        ConfigError: its name cannot be used.
    """
    database = open_home_database(home)
    try:
        registry = Registry(database, alias.project_id)
        running = read_running(home)
        names = _served(registry, running) if running else _registered(registry, alias.model)
        wanted = {"name": alias.name, "model": alias.model, "vector_stores": list(alias.stores)}
        fields = check_fields({**wanted, "instructions": alias.instructions}, AliasFields)
        return bind_alias(fields, alias.project_id, names=names, database=database)
    finally:
        database.close()


def _served(registry: Registry, running: RunningPlatform) -> Names:
    config = ServeConfig.model_validate(running.config)
    return Names(
        lambda _project_id: registry,
        base=running.model,
        started_at=0,
        others=[base.model for base in config.served_bases[1:]],
        stand_ins=config.stand_ins,
    )


def _registered(registry: Registry, model: str) -> Names:
    # Nothing is served now, so any registered version will do; a name that is none must be the default base.
    bases = {version.name: version.base for version in registry.versions()}
    return Names(lambda _project_id: registry, base=bases.get(model, ServeConfig().model), started_at=0)
