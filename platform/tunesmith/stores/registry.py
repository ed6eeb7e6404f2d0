"""The registry: model versions, aliases, and what stands behind a name.

A version's files are written first, under a folder of their own in the object store; the row that
makes the name visible comes last, so that a half-written version never has a name. A deleted version
keeps its row and its files, so that what was made from it can still be traced; its name is gone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tunesmith.errors import ConflictError, ModelNotFoundError, NotFoundError
from tunesmith.records import CHECKPOINT, Alias, Lineage, ModelVersion, VersionKind
from tunesmith.stores.database import AliasMoveRow, AliasRow, Database, ModelVersionRow, lock_name

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

    def register(self, version: ModelVersion, *, hidden: bool = False) -> ModelVersion:
        """Make a version visible under its name; a second call for the same job and step changes nothing.

        Args:
            version: a version whose files are complete.
            hidden: engines may load it, nobody else sees it before `reveal`.

        Returns:
            The registered version: the one of the first call.

        Raises:
            ConflictError: the name is another version's.
        """
        with self._database.session() as session:
            made_by = _made_by(version.lineage.job_id, version.step)
            lock_name(session, f"version of {made_by}")
            row = session.scalar(select(ModelVersionRow).filter_by(job_id=made_by))
            if row is None:
                if session.get(ModelVersionRow, version.name) is not None:
                    raise ConflictError(
                        f"There is a model named {version.name} already. Train this one under another suffix.",
                        code="model_exists",
                    )
                row = ModelVersionRow(
                    name=version.name,
                    project_id=self._project_id,
                    base=version.base,
                    kind=version.kind,
                    path=version.path,
                    created_at=version.created_at,
                    job_id=made_by,
                    lineage=asdict(version.lineage),
                    hidden=hidden,
                )
                session.add(row)
            return _to_version(row)

    def reveal(self, name: str) -> None:
        """Make a hidden version visible.

        Args:
            name: its full name.

        Raises:
            ModelNotFoundError: the project has no such version.
        """
        with self._database.session() as session:
            self._row(session, name, hidden=True).hidden = False

    def discard(self, name: str) -> None:
        """Give a hidden version up: no engine loads it any more. One that is not there, or has a name, stays as it is.

        Args:
            name: its full name.
        """
        mine = {"name": name, "project_id": self._project_id, "hidden": True, "deleted_at": None}
        with self._database.session() as session:
            session.execute(update(ModelVersionRow).filter_by(**mine).values(deleted_at=int(time.time())))

    def is_deleted(self, name: str) -> bool:
        """Whether there was a version of a name that was deleted, or given up.

        Args:
            name: its full name.

        Returns:
            True where there was; such a name is nobody's again.
        """
        with self._database.session() as session:
            row = session.get(ModelVersionRow, name)
            return row is not None and row.deleted_at is not None

    def versions(self) -> list[ModelVersion]:
        """All versions that are not deleted, oldest first."""
        query = select(ModelVersionRow).filter_by(project_id=self._project_id, deleted_at=None, hidden=False)
        with self._database.session() as session:
            rows = session.scalars(query.order_by(ModelVersionRow.created_at, ModelVersionRow.name))
            return [_to_version(row) for row in rows]

    def checkpoints(self, job_id: str) -> list[ModelVersion]:
        """The versions that a job left on its way, newest first; those that were deleted are not among them.

        Args:
            job_id: the job.

        Returns:
            Its named checkpoints.
        """
        query = select(ModelVersionRow).filter_by(project_id=self._project_id, deleted_at=None, hidden=False)
        of_job = ModelVersionRow.job_id.startswith(_made_by(job_id, step=None) + CHECKPOINT, autoescape=True)
        with self._database.session() as session:
            found = [_to_version(row) for row in session.scalars(query.where(of_job))]
        return sorted(found, key=lambda version: version.step or 0, reverse=True)

    def version(self, name: str, *, hidden: bool = False) -> ModelVersion:
        """Look up one version.

        Args:
            name: its full name, `ft:...`.
            hidden: also one that waits for its proof.

        Returns:
            The version.

        Raises:
            ModelNotFoundError: the project has no such version.
        """
        with self._database.session() as session:
            return _to_version(self._row(session, name, hidden=hidden))

    def path(self, name: str) -> str:
        """Where the files of a version lie, also of a deleted one: what goes on from it goes on.

        Args:
            name: its full name.

        Returns:
            Its folder, relative to the object store.

        Raises:
            ModelNotFoundError: the project has never had such a version.
        """
        with self._database.session() as session:
            row = session.get(ModelVersionRow, name)
            if row is None or row.project_id != self._project_id:
                raise ModelNotFoundError(f'Model "{name}" is not registered.', param="model")
            return row.path

    def delete(self, name: str) -> None:
        """Take a version's name away. Its row stays for the lineage, its files stay until a sweep removes them.

        Args:
            name: its full name, `ft:...`.

        Raises:
            ModelNotFoundError: the project has no such version.
            ConflictError: aliases point at it; names them.
        """
        pointing = select(AliasRow.name).filter_by(project_id=self._project_id, model=name)
        with self._database.session() as session:
            row = self._row(session, name)
            aliases = session.scalars(pointing.order_by(AliasRow.name)).all()
            if aliases:
                raise ConflictError(
                    f"The model '{name}' stands behind {', '.join(aliases)}. Point those aliases at another model "
                    "first: POST /v1/aliases.",
                    param="model",
                    code="model_in_use",
                )
            row.deleted_at = int(time.time())

    def _row(self, session: Session, name: str, *, hidden: bool = False) -> ModelVersionRow:
        row = session.get(ModelVersionRow, name)
        gone = row is None or row.project_id != self._project_id or row.deleted_at is not None
        if row is None or gone or (row.hidden and not hidden):
            raise ModelNotFoundError(
                f'Model "{name}" is not registered. `tunesmith models ls` lists those that are.',
                param="model",
            )
        return row

    def set_alias(self, alias: Alias) -> None:
        """Make or move an alias; where it pointed before is remembered.

        Args:
            alias: its new state.
        """
        with self._database.session() as session:
            self._lock(session, alias.name)
            row = session.get(AliasRow, (self._project_id, alias.name))
            if row is not None and _to_alias(row) == alias:
                return
            self._point(session, alias)
            moves = self._moves(session, alias.name)
            session.add(
                AliasMoveRow(
                    project_id=self._project_id,
                    name=alias.name,
                    number=moves[-1].number + 1 if moves else 1,
                    model=alias.model,
                    stores=list(alias.stores),
                    instructions=alias.instructions,
                    moved_at=int(time.time()),
                )
            )

    def roll_back(self, name: str) -> Alias:
        """Point an alias back at what it pointed at before its newest move; again, one move further back.

        Args:
            name: the alias.

        Returns:
            The alias as it is now.

        Raises:
            NotFoundError: there is no such alias.
            ConflictError: it has not been moved, or what it pointed at is gone.
        """
        with self._database.session() as session:
            self._lock(session, name)
            standing = [move for move in self._moves(session, name) if move.undone_at is None]
            if not standing:
                raise no_alias(name)
            if len(standing) < 2:
                raise ConflictError(
                    f"The alias '{name}' has pointed at nothing but {standing[-1].model}: there is nothing to go back "
                    "to.",
                    param="name",
                )
            earlier = standing[-2]
            alias = Alias(name, self._project_id, earlier.model, tuple(earlier.stores), earlier.instructions)
            row = session.get(ModelVersionRow, alias.model)
            if row is not None and row.deleted_at is not None:
                raise ConflictError(
                    f"The alias '{name}' pointed at {alias.model} before, which has been deleted. Point it at another "
                    "model.",
                    param="name",
                )
            standing[-1].undone_at = int(time.time())
            self._point(session, alias)
            return alias

    def delete_alias(self, name: str) -> None:
        """Remove an alias with its history; what it points at stays.

        Args:
            name: the alias.

        Raises:
            NotFoundError: there is no such alias.
        """
        with self._database.session() as session:
            self._lock(session, name)
            row = session.get(AliasRow, (self._project_id, name))
            if row is None:
                raise no_alias(name)
            for move in self._moves(session, name):
                session.delete(move)
            session.delete(row)

    def _point(self, session: Session, alias: Alias) -> None:
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

    def _lock(self, session: Session, name: str) -> None:
        # Before anything is read: two that move an alias together would number their moves alike.
        lock_name(session, f"alias {self._project_id}/{name}")

    def _moves(self, session: Session, name: str) -> Sequence[AliasMoveRow]:
        query = select(AliasMoveRow).filter_by(project_id=self._project_id, name=name)
        return session.scalars(query.order_by(AliasMoveRow.number)).all()

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


def whole_models(database: Database) -> list[ModelVersion]:
    """The versions of all projects that are whole models, those that wait for their proof too.

    Args:
        database: the metadata database.

    Returns:
        Those that are not deleted, oldest first.
    """
    query = select(ModelVersionRow).filter_by(kind="full", deleted_at=None)
    with database.session() as session:
        rows = session.scalars(query.order_by(ModelVersionRow.created_at, ModelVersionRow.name))
        return [_to_version(row) for row in rows]


def no_alias(name: str) -> NotFoundError:
    """What to say where an alias is not there.

    Args:
        name: as asked for.

    Returns:
        The error.
    """
    return NotFoundError(
        f"The alias '{name}' does not exist. GET /v1/aliases lists those that do.",
        param="name",
        code="alias_not_found",
    )


def _made_by(job_id: str, step: int | None) -> str:
    """What a version is registered once for: a job, or a step of it."""
    return job_id if step is None else f"{job_id}{CHECKPOINT}{step}"


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
