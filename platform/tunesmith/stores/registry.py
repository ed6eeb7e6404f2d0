"""The registry: model versions, aliases, and what stands behind a name.

A version's files are written first, under a folder of their own in the object store; the row that
makes the name visible comes last, so that a half-written version never has a name.
"""

from __future__ import annotations

import time
from dataclasses import asdict

from sqlalchemy import select

from tunesmith.errors import ModelNotFoundError
from tunesmith.records import Alias, Lineage, ModelVersion, VersionKind
from tunesmith.stores.database import AliasRow, Database, ModelVersionRow

ALIAS_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
"""What an alias may be called: no colon, so that it can never look like a version."""


class Registry:
    """Versions and aliases of one project.

    Args:
        database: the metadata database.
        project_id: the project whose names are seen.
    """

    def __init__(self, database: Database, project_id: str) -> None:
        self._database = database
        self._project_id = project_id

    def register(self, version: ModelVersion) -> ModelVersion:
        """Make a version visible under its name; a second call for the same job changes nothing.

        Args:
            version: a version whose files are complete.

        Returns:
            The registered version: the one of the first call.
        """
        with self._database.session() as session:
            row = session.scalar(select(ModelVersionRow).filter_by(job_id=version.lineage.job_id))
            if row is None:
                row = ModelVersionRow(
                    name=version.name,
                    project_id=self._project_id,
                    base=version.base,
                    kind=version.kind,
                    path=version.path,
                    created_at=version.created_at,
                    job_id=version.lineage.job_id,
                    lineage=asdict(version.lineage),
                )
                session.add(row)
            return _to_version(row)

    def versions(self) -> list[ModelVersion]:
        """All versions, oldest first."""
        query = select(ModelVersionRow).filter_by(project_id=self._project_id)
        with self._database.session() as session:
            rows = session.scalars(query.order_by(ModelVersionRow.created_at, ModelVersionRow.name))
            return [_to_version(row) for row in rows]

    def version(self, name: str) -> ModelVersion:
        """Look up one version.

        Args:
            name: its full name, `ft:...`.

        Returns:
            The version.

        Raises:
            ModelNotFoundError: the project has no such version.
        """
        with self._database.session() as session:
            row = session.get(ModelVersionRow, name)
            if row is None or row.project_id != self._project_id:
                raise ModelNotFoundError(
                    f'Model "{name}" is not registered. `tunesmith models ls` lists those that are.',
                    param="model",
                )
            return _to_version(row)

    def set_alias(self, alias: Alias) -> None:
        """Make or move an alias.

        Args:
            alias: its new state.
        """
        with self._database.session() as session:
            session.merge(
                AliasRow(
                    project_id=self._project_id,
                    name=alias.name,
                    model=alias.model,
                    stores=list(alias.stores),
                    instructions=alias.instructions,
                    updated_at=int(time.time()),
                )
            )

    def aliases(self) -> list[Alias]:
        """All aliases, by name."""
        query = select(AliasRow).filter_by(project_id=self._project_id).order_by(AliasRow.name)
        with self._database.session() as session:
            return [_to_alias(row) for row in session.scalars(query)]

    def alias(self, name: str) -> Alias | None:
        """The alias of this name, if there is one.

        Args:
            name: the alias.

        Returns:
            The alias, or None.
        """
        with self._database.session() as session:
            row = session.get(AliasRow, (self._project_id, name))
            return _to_alias(row) if row else None


def _to_version(row: ModelVersionRow) -> ModelVersion:
    kind: VersionKind = "full" if row.kind == "full" else "adapter"
    return ModelVersion(
        name=row.name,
        project_id=row.project_id,
        base=row.base,
        kind=kind,
        path=row.path,
        created_at=row.created_at,
        lineage=Lineage(**row.lineage),
    )


def _to_alias(row: AliasRow) -> Alias:
    return Alias(row.name, row.project_id, row.model, tuple(row.stores), row.instructions)
