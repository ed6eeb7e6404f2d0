"""Who acts: users of the organisation, service accounts of one project, and the role of each in a project."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from tunesmith.errors import ConflictError, NotFoundError
from tunesmith.records import DEFAULT_ORGANISATION, OWNER, ProjectRole
from tunesmith.stores.audit import AT_HOME, Actor, note
from tunesmith.stores.database import ApiKeyRow, Database, MembershipRow, PrincipalRow
from tunesmith.stores.roles import to_role

PrincipalKind = Literal["user", "service_account"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, or a service account.

    Attributes:
        id: `user-...` or `svc_acct_...`.
        kind: which of the two.
        name: for people.
        email: of a user, if known.
        is_owner: whether it administers the organisation.
        created_at: Unix seconds.
        role: in the project that was asked about, if one was.
        joined_at: Unix seconds since when it has a role there.
    """

    id: str
    kind: PrincipalKind
    name: str
    email: str | None
    is_owner: bool
    created_at: int
    role: ProjectRole | None = None
    joined_at: int | None = None


class Principals:
    """The users and service accounts of one organisation.

    Args:
        database: the metadata database.
        organisation_id: whose.
    """

    def __init__(self, database: Database, organisation_id: str = DEFAULT_ORGANISATION) -> None:
        self._database = database
        self._organisation_id = organisation_id

    def add_user(
        self, name: str, *, email: str | None = None, is_owner: bool = False, actor: Actor = AT_HOME
    ) -> Principal:
        """Add a user to the organisation; what they may do in a project is said by `set_role`.

        Args:
            name: for people.
            email: unique in the organisation.
            is_owner: whether they administer the organisation.
            actor: who does it.

        Returns:
            The user.

        Raises:
            ConflictError: somebody has this address.
        """
        with self._database.session() as session:
            taken = select(PrincipalRow.id).filter_by(organisation_id=self._organisation_id, email=email)
            if email and session.scalar(taken):
                raise ConflictError(f"A user with the address {email} exists already.", param="email")
            row = self._add(session, "user", name, email=email, is_owner=is_owner)
            note(session, "user.added", row.id, actor=actor, details={"name": name, "is_owner": is_owner})
            return _to_principal(row)

    def add_service_account(
        self, project_id: str, name: str, *, role: ProjectRole = "train", actor: Actor = AT_HOME
    ) -> Principal:
        """Add a program to a project.

        Args:
            project_id: its project.
            name: for people.
            role: what it may do there.
            actor: who does it.

        Returns:
            The service account.
        """
        with self._database.session() as session:
            row = self._add(session, "service_account", name)
            session.flush()
            self._set_role(session, project_id, row.id, role)
            details = {"name": name, "role": role}
            note(
                session,
                "service_account.created",
                row.id,
                actor=actor,
                project_id=project_id,
                details=details,
            )
            return _to_principal(row, role)

    def users(self) -> list[Principal]:
        """All users of the organisation, oldest first."""
        query = (
            select(PrincipalRow)
            .filter_by(organisation_id=self._organisation_id, kind="user", removed_at=None)
            .order_by(PrincipalRow.created_at, PrincipalRow.id)
        )
        with self._database.session() as session:
            return [_to_principal(row) for row in session.scalars(query)]

    def user(self, name: str) -> Principal:
        """Look a user of the organisation up.

        Args:
            name: id or address.

        Returns:
            The user.

        Raises:
            NotFoundError: nobody is called so, or they have left.
        """
        found = [user for user in self.users() if name in (user.id, user.email)]
        if not found:
            raise _nobody(name)
        return found[0]

    def get(self, principal_id: str) -> Principal:
        """Look a principal up, also one that has left.

        Args:
            principal_id: its id.

        Returns:
            The principal.

        Raises:
            NotFoundError: the organisation has none of this id.
        """
        with self._database.session() as session:
            row = session.get(PrincipalRow, principal_id)
            if row is None or row.organisation_id != self._organisation_id:
                raise _nobody(principal_id)
            return _to_principal(row)

    def members(self, project_id: str, kind: PrincipalKind) -> list[Principal]:
        """Who has a role in a project, oldest first.

        Args:
            project_id: the project.
            kind: users, or service accounts.

        Returns:
            The principals, with their roles.
        """
        with self._database.session() as session:
            rows = session.execute(self._members(project_id).where(PrincipalRow.kind == kind))
            return [_to_principal(row, to_role(role), joined_at) for row, role, joined_at in rows]

    def member(self, project_id: str, principal_id: str, kind: PrincipalKind) -> Principal:
        """Look up who has a role in a project.

        Args:
            project_id: the project.
            principal_id: the principal.
            kind: a user, or a service account.

        Returns:
            The principal, with its role.

        Raises:
            NotFoundError: it has none.
        """
        found = [member for member in self.members(project_id, kind) if member.id == principal_id]
        if not found:
            raise _nobody(principal_id)
        return found[0]

    def set_role(
        self, project_id: str, principal_id: str, role: ProjectRole, *, actor: Actor = AT_HOME
    ) -> None:
        """Say what somebody may do in a project.

        Args:
            project_id: the project.
            principal_id: a user of the organisation, or a service account of the project.
            role: what they may do.
            actor: who says so.

        Raises:
            NotFoundError: there is no such principal, or it is the service account of another project.
        """
        with self._database.session() as session:
            row = self._present(session, principal_id)
            member = session.get(MembershipRow, (project_id, principal_id))
            if row.kind == "service_account" and member is None:
                raise _nobody(principal_id)
            self._set_role(session, project_id, principal_id, role)
            details = {"role": role}
            note(
                session,
                "role.assignment.created",
                principal_id,
                actor=actor,
                project_id=project_id,
                details=details,
            )

    def set_owner(self, principal_id: str, is_owner: bool, *, actor: Actor = AT_HOME) -> Principal:
        """Say whether a user administers the organisation; their keys can do so much less or more at once.

        Args:
            principal_id: the user.
            is_owner: whether they do.
            actor: who says so.

        Returns:
            The user.

        Raises:
            NotFoundError: there is no such user.
            ConflictError: the organisation would be left without an owner.
        """
        with self._database.session() as session:
            row = self._present(session, principal_id)
            if row.kind != "user":
                raise _nobody(principal_id)
            if row.is_owner and not is_owner:
                self._require_another_owner(session, row)
            row.is_owner = is_owner
            note(session, "user.updated", principal_id, actor=actor, details={"is_owner": is_owner})
            return _to_principal(row)

    def remove_member(self, project_id: str, principal_id: str, *, actor: Actor = AT_HOME) -> None:
        """Take somebody's role in a project away; their keys of the project open nothing from now on.

        Args:
            project_id: the project.
            principal_id: the user.
            actor: who does it.

        Raises:
            NotFoundError: they have no role there.
        """
        with self._database.session() as session:
            member = session.get(MembershipRow, (project_id, principal_id))
            if member is None:
                raise _nobody(principal_id)
            session.delete(member)
            note(session, "role.assignment.deleted", principal_id, actor=actor, project_id=project_id)

    def remove(self, principal_id: str, *, actor: Actor = AT_HOME, project_id: str | None = None) -> None:
        """Let a principal go: all its keys end at once.

        Args:
            principal_id: the user or service account.
            actor: who does it.
            project_id: the project of a service account.

        Raises:
            NotFoundError: there is no such principal.
            ConflictError: the organisation would be left without an owner.
        """
        now = int(time.time())
        with self._database.session() as session:
            row = self._present(session, principal_id)
            if row.is_owner:
                self._require_another_owner(session, row)
            row.removed_at, row.email = now, None
            ended = update(ApiKeyRow).filter_by(principal_id=principal_id, revoked_at=None)
            session.execute(ended.values(revoked_at=now))
            kind = "user" if row.kind == "user" else "service_account"
            note(session, f"{kind}.deleted", principal_id, actor=actor, project_id=project_id)

    def _require_another_owner(self, session: Session, row: PrincipalRow) -> None:
        others = select(PrincipalRow.id).where(
            PrincipalRow.organisation_id == self._organisation_id,
            PrincipalRow.is_owner.is_(True),
            PrincipalRow.removed_at.is_(None),
            PrincipalRow.id != row.id,
        )
        if session.scalar(others.limit(1)) is None:
            raise ConflictError(f"{row.id} is the last owner of the organisation. Add another owner first.")
        if row.id == OWNER:
            raise ConflictError(f"{row.id} stays: the home's admin.key, which `up` keeps good, is theirs.")

    def _add(
        self,
        session: Session,
        kind: PrincipalKind,
        name: str,
        *,
        email: str | None = None,
        is_owner: bool = False,
    ) -> PrincipalRow:
        prefix = "user-" if kind == "user" else "svc_acct_"
        row = PrincipalRow(
            id=f"{prefix}{secrets.token_hex(12)}",
            organisation_id=self._organisation_id,
            kind=kind,
            name=name,
            email=email,
            is_owner=is_owner,
            created_at=int(time.time()),
        )
        session.add(row)
        return row

    def _set_role(self, session: Session, project_id: str, principal_id: str, role: ProjectRole) -> None:
        member = session.get(MembershipRow, (project_id, principal_id))
        if member is None:
            member = MembershipRow(
                project_id=project_id, principal_id=principal_id, created_at=int(time.time())
            )
            session.add(member)
        member.role = role

    def _present(self, session: Session, principal_id: str) -> PrincipalRow:
        row = session.get(PrincipalRow, principal_id)
        if row is None or row.organisation_id != self._organisation_id or row.removed_at is not None:
            raise _nobody(principal_id)
        return row

    def _members(self, project_id: str) -> Select[PrincipalRow, str, int]:
        return (
            select(PrincipalRow, MembershipRow.role, MembershipRow.created_at)
            .join(MembershipRow, MembershipRow.principal_id == PrincipalRow.id)
            .where(
                MembershipRow.project_id == project_id,
                PrincipalRow.organisation_id == self._organisation_id,
                PrincipalRow.removed_at.is_(None),
            )
            .order_by(PrincipalRow.created_at, PrincipalRow.id)
        )


def _nobody(principal_id: str) -> NotFoundError:
    return NotFoundError(f"There is no '{principal_id}' here.", code="principal_not_found")


def _to_principal(
    row: PrincipalRow, role: ProjectRole | None = None, joined_at: int | None = None
) -> Principal:
    kind: PrincipalKind = "user" if row.kind == "user" else "service_account"
    return Principal(row.id, kind, row.name, row.email, row.is_owner, row.created_at, role, joined_at)
