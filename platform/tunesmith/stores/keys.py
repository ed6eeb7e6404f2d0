"""API keys: shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import select

from tunesmith.config.home import Home
from tunesmith.errors import AuthenticationError, NotFoundError
from tunesmith.stores.atomic import write_atomic
from tunesmith.stores.database import ApiKeyRow, BatchRow, Database

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


class KeyStore:
    """The API keys of all projects.

    Args:
        database: the metadata database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, project_id: str, name: str) -> str:
        """Make a key.

        Args:
            project_id: the project it opens.
            name: what it is for.

        Returns:
            The key in clear; it cannot be read again.
        """
        key = f"sk-ts-{secrets.token_urlsafe(32)}"
        with self._database.session() as session:
            session.add(
                ApiKeyRow(
                    id=f"key_{secrets.token_hex(8)}",
                    project_id=project_id,
                    name=name,
                    key_hash=_digest(key),
                    hint=f"...{key[-4:]}",
                    created_at=int(time.time()),
                    revoked_at=None,
                )
            )
        return key

    def verify(self, key: str) -> ApiKey:
        """Find whose key this is.

        Args:
            key: the key as sent.

        Returns:
            The key's record.

        Raises:
            AuthenticationError: unknown or revoked.
        """
        if key.startswith(BATCH_TOKEN_PREFIX):
            return self._verify_batch_token(key)
        with self._database.session() as session:
            row = session.scalar(select(ApiKeyRow).filter_by(key_hash=_digest(key), revoked_at=None))
            if row is None:
                raise AuthenticationError(
                    "Incorrect API key. Make one with `tunesmith keys create`; if it came from the home's admin.key, "
                    "`tunesmith down` and `tunesmith up` write a new one there."
                )
            return _to_key(row)

    def _verify_batch_token(self, token: str) -> ApiKey:
        held = select(BatchRow).where(
            BatchRow.token_hash == _digest(token), BatchRow.held_until > time.time()
        )
        with self._database.session() as session:
            batch = session.scalar(held)
        if batch is None:
            raise AuthenticationError(
                "This token was good for one batch, and for as long as it was worked on."
            )
        return ApiKey(batch.id, batch.project_id, "batch", "...", batch.created_at, revoked=False)

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

    def revoke(self, project_id: str, key_id: str) -> None:
        """End a key at once.

        Args:
            project_id: the project that owns it.
            key_id: its id, `key_...`.

        Raises:
            NotFoundError: the project has no such key.
        """
        with self._database.session() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None or row.project_id != project_id:
                raise NotFoundError(
                    f'Key "{key_id}" does not exist. `tunesmith keys ls` lists those that do.'
                )
            row.revoked_at = row.revoked_at or int(time.time())


def ensure_admin_key(home: Home, keys: KeyStore, project_id: str) -> str:
    """Read the home's own key, kept in a file for its owner's eyes; made anew where it opens nothing (any more).

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
    if _opens(keys, kept, project_id):
        return kept
    key = keys.create(project_id, "admin")
    write_atomic(home.admin_key_file, f"{key}\n")
    return key


def _read_admin_key(home: Home) -> str:
    try:
        return home.admin_key_file.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return ""


def _opens(keys: KeyStore, key: str, project_id: str) -> bool:
    try:
        return keys.verify(key).project_id == project_id
    except AuthenticationError:
        return False


def _digest(key: str) -> str:
    # The key is 256 random bits: a plain hash cannot be searched, a slow one would only cost every request.
    return hashlib.sha256(key.encode()).hexdigest()


def _to_key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(row.id, row.project_id, row.name, row.hint, row.created_at, row.revoked_at is not None)
