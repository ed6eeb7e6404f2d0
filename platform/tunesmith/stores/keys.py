"""API keys: shown once, stored as a hash; a key can do what its principal may, and no more than its own role."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import and_, select, update

from tunesmith.config.home import Home
from tunesmith.errors import AuthenticationError, NotFoundError
from tunesmith.records import DEFAULT_ORGANISATION, OWNER, ProjectRole
from tunesmith.stores.atomic import write_atomic
from tunesmith.stores.audit import AT_HOME, Actor, note
from tunesmith.stores.database import (
    ApiKeyRow,
    BatchRow,
    Database,
    MembershipRow,
    PrincipalRow,
    ProjectRow,
)
from tunesmith.stores.roles import lesser, to_role

BATCH_TOKEN_PREFIX = "sk-ts-batch-"
"""What the token of a batch that is being answered begins with."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What may be known of a key after it was made: never the key itself."""

    id: str
    project_id: str
    name: str
    hint: str
    created_at: int
    revoked: bool
    role: ProjectRole = "use"
    """What it may do in its project: the lesser of its own role and its principal's."""
    principal_id: str = OWNER
    organisation_id: str = DEFAULT_ORGANISATION
    of_organisation: bool = False
    """Whether it administers the organisation and may choose among its projects."""
    expires_at: int | None = None
    last_used_at: int | None = None


class KeyStore:
    """The API keys of all projects.

    Args:
        database: the metadata database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        project_id: str,
        name: str,
        *,
        role: ProjectRole = "train",
        principal_id: str = OWNER,
        expires_at: int | None = None,
        of_organisation: bool = False,
        actor: Actor = AT_HOME,
    ) -> str:
        """Make a key.

        Args:
            project_id: the project it opens.
            name: what it is for.
            role: the most that it may do.
            principal_id: whose key it is.
            expires_at: Unix seconds from which on it opens nothing.
            of_organisation: whether it administers the organisation; for its owners alone.
            actor: who makes it.

        Returns:
            The key in clear; it cannot be read again.
        """
        key, key_id = f"sk-ts-{secrets.token_urlsafe(32)}", f"key_{secrets.token_hex(8)}"
        with self._database.session() as session:
            session.add(
                ApiKeyRow(
                    id=key_id,
                    project_id=project_id,
                    name=name,
                    key_hash=_digest(key),
                    hint=f"...{key[-4:]}",
                    created_at=int(time.time()),
                    role=role,
                    principal_id=principal_id,
                    expires_at=expires_at,
                    of_organisation=of_organisation,
                )
            )
            details = {"name": name, "role": role, "principal": principal_id, "expires_at": expires_at}
            note(session, "api_key.created", key_id, actor=actor, project_id=project_id, details=details)
        return key

    def verify(self, key: str) -> ApiKey:
        """Find whose key this is, and what it may do.

        Args:
            key: the key as sent.

        Returns:
            The key's record.

        Raises:
            AuthenticationError: unknown, revoked or expired; or its principal has left, or its project is archived.
        """
        if key.startswith(BATCH_TOKEN_PREFIX):
            return self._verify_batch_token(key)
        with self._database.session() as session:
            found = session.execute(_WHOSE.where(ApiKeyRow.key_hash == _digest(key))).first()
        if found is None or found.ApiKeyRow.revoked_at is not None:
            raise AuthenticationError(
                "Incorrect API key. Make one with `tunesmith keys create`; if it came from the home's admin.key, "
                "`tunesmith down` and `tunesmith up` write a new one there."
            )
        row, principal, project = found.ApiKeyRow, found.PrincipalRow, found.ProjectRow
        if row.expires_at is not None and row.expires_at <= time.time():
            raise AuthenticationError(
                f'The API key "{row.name}" ({row.hint}) has expired. Make another one.',
                code="expired_api_key",
            )
        if project.archived_at is not None:
            raise AuthenticationError(
                f'The project of the API key "{row.name}" ({row.hint}) is archived. Use a key of another project.',
                code="project_archived",
            )
        role = _role(row, principal, found.role)
        if role is None:
            raise AuthenticationError(
                f'The owner of the API key "{row.name}" ({row.hint}) has left the project. Use a key of a member.'
            )
        known = _to_key(row, role=role, organisation_id=project.organisation_id)
        return known if principal.is_owner else replace(known, of_organisation=False)

    def _verify_batch_token(self, token: str) -> ApiKey:
        held = (
            select(BatchRow, ProjectRow.organisation_id)
            .join(ProjectRow, ProjectRow.id == BatchRow.project_id)
            .where(BatchRow.token_hash == _digest(token), BatchRow.held_until > time.time())
            .where(ProjectRow.archived_at.is_(None))
        )
        with self._database.session() as session:
            found = session.execute(held).first()
        if found is None:
            raise AuthenticationError(
                "This token was good for one batch, and for as long as it was worked on."
            )
        batch, organisation = found
        return ApiKey(
            batch.id,
            batch.project_id,
            "batch",
            "...",
            batch.created_at,
            revoked=False,
            role="use",
            organisation_id=organisation,
        )

    def all(self, project_id: str) -> list[ApiKey]:
        """All keys of a project, oldest first.

        Args:
            project_id: the project.

        Returns:
            Their records.
        """
        query = select(ApiKeyRow).filter_by(project_id=project_id).order_by(ApiKeyRow.created_at)
        with self._database.session() as session:
            return [_to_key(row) for row in session.scalars(query)]

    def get(self, project_id: str, key_id: str) -> ApiKey:
        """Look a key up that is not revoked.

        Args:
            project_id: the project that owns it.
            key_id: its id, `key_...`.

        Returns:
            Its record.

        Raises:
            NotFoundError: the project has no such key.
        """
        with self._database.session() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None or row.project_id != project_id or row.revoked_at is not None:
                raise _no_key(key_id)
            return _to_key(row)

    def revoke(self, project_id: str, key_id: str, *, actor: Actor = AT_HOME) -> None:
        """End a key at once.

        Args:
            project_id: the project that owns it.
            key_id: its id, `key_...`.
            actor: who ends it.

        Raises:
            NotFoundError: the project has no such key.
        """
        with self._database.session() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None or row.project_id != project_id:
                raise _no_key(key_id)
            if row.revoked_at is None:
                row.revoked_at = int(time.time())
                details = {"name": row.name}
                note(session, "api_key.deleted", key_id, actor=actor, project_id=project_id, details=details)

    def note_used(self, used: Mapping[str, int]) -> None:
        """Remember when keys were last used.

        Args:
            used: Unix seconds by key id.
        """
        with self._database.session() as session:
            for key_id, at in sorted(used.items()):
                session.execute(update(ApiKeyRow).filter_by(id=key_id).values(last_used_at=at))

    def is_open(self, project_id: str, organisation_id: str) -> bool:
        """Whether there is such a project, not archived.

        Args:
            project_id: the project.
            organisation_id: whose it must be.

        Returns:
            True if requests may act in it.
        """
        with self._database.session() as session:
            project = session.get(ProjectRow, project_id)
            return (
                project is not None
                and project.organisation_id == organisation_id
                and project.archived_at is None
            )

    def is_known(self, project_id: str, organisation_id: str) -> bool:
        """Whether there is such a project, archived or not.

        Args:
            project_id: the project.
            organisation_id: whose it must be.

        Returns:
            True if there is.
        """
        with self._database.session() as session:
            project = session.get(ProjectRow, project_id)
            return project is not None and project.organisation_id == organisation_id

    def promote(self, key_id: str) -> None:
        """Let a key administer the organisation.

        Args:
            key_id: a key of one of the organisation's owners.
        """
        with self._database.session() as session:
            session.execute(
                update(ApiKeyRow).filter_by(id=key_id).values(of_organisation=True, role="administer")
            )
            note(session, "api_key.updated", key_id, actor=AT_HOME, details={"of_organisation": True})


def ensure_admin_key(home: Home, keys: KeyStore, project_id: str) -> str:
    """Read the home's own key, kept in a file for its owner's eyes; made anew where it opens nothing (any more).

    It administers the organisation, also when it was made before there were roles.

    Args:
        home: the installation.
        keys: the key store.
        project_id: the project it opens.

    Returns:
        The key in clear.

    Raises:
        StorageError: the file cannot be written.
    """
    kept = _read_admin_key(home)
    known = _opened_by(keys, kept)
    if known is not None and known.project_id == project_id:
        if not known.of_organisation:
            keys.promote(known.id)
        return kept
    key = keys.create(project_id, "admin", role="administer", of_organisation=True)
    write_atomic(home.admin_key_file, f"{key}\n")
    return key


def _read_admin_key(home: Home) -> str:
    try:
        return home.admin_key_file.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return ""


def _opened_by(keys: KeyStore, key: str) -> ApiKey | None:
    try:
        return keys.verify(key)
    except AuthenticationError:
        return None


def _no_key(key_id: str) -> NotFoundError:
    return NotFoundError(
        f'Key "{key_id}" does not exist in this project. `tunesmith keys ls` lists those that do.'
    )


def _digest(key: str) -> str:
    # The key is 256 random bits: a plain hash cannot be searched, a slow one would only cost every request.
    return hashlib.sha256(key.encode()).hexdigest()


def _role(row: ApiKeyRow, principal: PrincipalRow, held: str | None) -> ProjectRole | None:
    if principal.removed_at is not None:
        return None
    if principal.is_owner:
        return "administer" if row.of_organisation else to_role(row.role)
    return None if held is None else lesser(to_role(held), to_role(row.role))


_WHOSE = (
    select(ApiKeyRow, PrincipalRow, ProjectRow, MembershipRow.role.label("role"))
    .join(PrincipalRow, PrincipalRow.id == ApiKeyRow.principal_id)
    .join(ProjectRow, ProjectRow.id == ApiKeyRow.project_id)
    .outerjoin(
        MembershipRow,
        and_(
            MembershipRow.principal_id == ApiKeyRow.principal_id,
            MembershipRow.project_id == ApiKeyRow.project_id,
        ),
    )
)


def _to_key(
    row: ApiKeyRow, *, role: ProjectRole | None = None, organisation_id: str = DEFAULT_ORGANISATION
) -> ApiKey:
    return ApiKey(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        hint=row.hint,
        created_at=row.created_at,
        revoked=row.revoked_at is not None,
        role=role or to_role(row.role),
        principal_id=row.principal_id,
        organisation_id=organisation_id,
        of_organisation=row.of_organisation,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
