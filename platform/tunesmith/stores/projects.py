"""The projects of an organisation: made, renamed, archived; never deleted, for their lineage is asked for later."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.errors import ConflictError, NotFoundError
from tunesmith.records import DEFAULT_ORGANISATION, DEFAULT_PROJECT
from tunesmith.stores.audit import AT_HOME, Actor, note
from tunesmith.stores.database import Database, ProjectRow


@dataclass(frozen=True, slots=True)
class Project:
    """A tenant.

    Attributes:
        id: `proj_...`, or `default`.
        name: for people.
        created_at: Unix seconds.
        archived_at: since when none of its keys opens it, if it is so.
    """

    id: str
    name: str
    created_at: int
    archived_at: int | None


class Projects:
    """The projects of one organisation.

    Args:
        database: the metadata database.
        organisation_id: whose projects.
    """

    def __init__(self, database: Database, organisation_id: str = DEFAULT_ORGANISATION) -> None:
        self._database = database
        self._organisation_id = organisation_id

    def create(self, name: str, *, actor: Actor = AT_HOME) -> Project:
        """Make a project.

        Args:
            name: for people; need not be unique.
            actor: who makes it.

        Returns:
            The project.
        """
        row = ProjectRow(
            id=f"proj_{secrets.token_hex(12)}",
            name=name,
            created_at=int(time.time()),
            organisation_id=self._organisation_id,
        )
        with self._database.session() as session:
            session.add(row)
            note(session, "project.created", row.id, actor=actor, project_id=row.id, details={"name": name})
        return _to_project(row)

    def all(self, *, include_archived: bool = False) -> list[Project]:
        """All projects, oldest first.

        Args:
            include_archived: also those that are archived.

        Returns:
            The projects.
        """
        query = select(ProjectRow).filter_by(organisation_id=self._organisation_id)
        if not include_archived:
            query = query.where(ProjectRow.archived_at.is_(None))
        with self._database.session() as session:
            rows = session.scalars(query.order_by(ProjectRow.created_at, ProjectRow.id))
            return [_to_project(row) for row in rows]

    def get(self, project_id: str) -> Project:
        """Look a project up.

        Args:
            project_id: its id.

        Returns:
            The project.

        Raises:
            NotFoundError: the organisation has no such project.
        """
        with self._database.session() as session:
            return _to_project(self._row(session, project_id))

    def find(self, name: str) -> Project:
        """Look a project up by its id or, where only one bears it, its name.

        Args:
            name: id or name.

        Returns:
            The project.

        Raises:
            NotFoundError: there is none.
            ConflictError: several bear the name.
        """
        known = self.all(include_archived=True)
        found = [project for project in known if project.id == name] or [
            project for project in known if project.name == name
        ]
        if len(found) > 1:
            ids = ", ".join(project.id for project in found)
            raise ConflictError(f'Several projects are called "{name}": {ids}. Give the id.')
        if not found:
            raise no_project(name)
        return found[0]

    def rename(self, project_id: str, name: str, *, actor: Actor = AT_HOME) -> Project:
        """Give a project another name.

        Args:
            project_id: its id.
            name: the new name.
            actor: who does it.

        Returns:
            The project.

        Raises:
            NotFoundError: the organisation has no such project.
        """
        with self._database.session() as session:
            row = self._row(session, project_id)
            row.name = name
            note(
                session,
                "project.updated",
                project_id,
                actor=actor,
                project_id=project_id,
                details={"name": name},
            )
            return _to_project(row)

    def archive(self, project_id: str, *, actor: Actor = AT_HOME) -> Project:
        """Close a project: none of its keys opens it from now on; what it holds stays.

        Args:
            project_id: its id.
            actor: who does it.

        Returns:
            The project.

        Raises:
            NotFoundError: the organisation has no such project.
            ConflictError: it is the default project, which the home's own key opens.
        """
        if project_id == DEFAULT_PROJECT:
            raise ConflictError(
                f"The project '{DEFAULT_PROJECT}' cannot be archived: the home's admin.key opens it."
            )
        with self._database.session() as session:
            row = self._row(session, project_id)
            if row.archived_at is None:
                row.archived_at = int(time.time())
                note(session, "project.archived", project_id, actor=actor, project_id=project_id)
            return _to_project(row)

    def _row(self, session: Session, project_id: str) -> ProjectRow:
        row = session.get(ProjectRow, project_id)
        if row is None or row.organisation_id != self._organisation_id:
            raise no_project(project_id)
        return row


def no_project(name: str) -> NotFoundError:
    """What to say where a project is not there.

    Args:
        name: as asked for.

    Returns:
        The error.
    """
    return NotFoundError(
        f"Project '{name}' does not exist. `tunesmith projects ls` lists those that do.",
        code="project_not_found",
    )


def _to_project(row: ProjectRow) -> Project:
    return Project(row.id, row.name or row.id, row.created_at, row.archived_at)
