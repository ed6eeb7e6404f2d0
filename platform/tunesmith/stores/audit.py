"""The audit log: who changed keys, projects, roles and limits, made or ended jobs, and deleted what; it can only grow.

What changes rows of the platform's own (keys, projects, principals, limits) notes it in the same transaction. What
happens to resources is noted right after it happened.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.records import DEFAULT_ORGANISATION, OWNER
from tunesmith.stores.database import AuditEventRow, Database
from tunesmith.stores.ordered_ids import new_id

_PREFIX = "audit_log-"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something.

    Attributes:
        principal_id: the user or service account.
        key_id: the key used, if it was done through the API.
        request_id: the request, if it was done through the API.
        organisation_id: whose log it belongs to.
    """

    principal_id: str = OWNER
    key_id: str | None = None
    request_id: str | None = None
    organisation_id: str = DEFAULT_ORGANISATION


AT_HOME = Actor()
"""Whoever can write the database: the command line, `tunesmith up`."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the log.

    Attributes:
        id: sorts by time.
        type: what happened: `api_key.created`, `file.deleted`, ...
        resource_id: what it happened to.
        project_id: in which project, if in one.
        at: Unix seconds.
        actor: who did it.
        details: what else there is to say; never a secret.
    """

    id: str
    type: str
    resource_id: str
    project_id: str | None
    at: int
    actor: Actor
    details: Mapping[str, Any] = field(default_factory=dict)


def note(
    session: Session,
    type: str,
    resource_id: str,
    *,
    actor: Actor,
    project_id: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add a line to the log, in the transaction of the change itself.

    Args:
        session: the transaction.
        type: what happens.
        resource_id: to what.
        actor: who does it.
        project_id: in which project, if in one.
        details: what else there is to say; never a secret.
    """
    session.add(
        AuditEventRow(
            id=new_id(_PREFIX),
            organisation_id=actor.organisation_id,
            project_id=project_id,
            at=int(time.time()),
            type=type,
            resource_id=resource_id,
            principal_id=actor.principal_id,
            key_id=actor.key_id,
            request_id=actor.request_id,
            details=dict(details or {}),
        )
    )


class AuditLog:
    """The log of one organisation.

    Args:
        database: the metadata database.
        organisation_id: whose log.
    """

    def __init__(self, database: Database, organisation_id: str = DEFAULT_ORGANISATION) -> None:
        self._database = database
        self._organisation_id = organisation_id

    def record(self, type: str, resource_id: str, *, actor: Actor, project_id: str) -> None:
        """Add a line of its own.

        Args:
            type: what happened.
            resource_id: to what.
            actor: who did it.
            project_id: in which project.
        """
        with self._database.session() as session:
            note(session, type, resource_id, actor=actor, project_id=project_id)

    def list(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        project_ids: Sequence[str] = (),
        types: Sequence[str] = (),
    ) -> list[AuditEvent]:
        """Read the log, newest first.

        Args:
            limit: most lines.
            after: only what is older than this line.
            project_ids: only of these projects.
            types: only of these kinds.

        Returns:
            The lines.
        """
        query = select(AuditEventRow).filter_by(organisation_id=self._organisation_id)
        if after:
            query = query.where(AuditEventRow.id < after)
        if project_ids:
            query = query.where(AuditEventRow.project_id.in_(project_ids))
        if types:
            query = query.where(AuditEventRow.type.in_(types))
        with self._database.session() as session:
            rows = session.scalars(query.order_by(AuditEventRow.id.desc()).limit(limit))
            return [_to_event(row) for row in rows]


def _to_event(row: AuditEventRow) -> AuditEvent:
    actor = Actor(row.principal_id, row.key_id, row.request_id, row.organisation_id)
    return AuditEvent(row.id, row.type, row.resource_id, row.project_id, row.at, actor, row.details)
