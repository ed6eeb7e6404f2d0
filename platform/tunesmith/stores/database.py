"""Metadata: projects, keys, files, stores, documents, jobs, attempts, events, metrics, versions, aliases, responses.

SQLAlchemy on SQLite (one machine) or Postgres (a cluster), with the same Alembic migrations.
`project_id` stands in every row. Sessions are short: open, do one thing, commit.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    create_engine,
    event,
    false,
    func,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tunesmith.config.home import Home
from tunesmith.errors import ConfigError, DependencyError, StorageError
from tunesmith.records import DEFAULT_ORGANISATION, OWNER

_MIGRATIONS = Path(__file__).parent / "migrations"


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar = {dict[str, Any]: JSON, list[str]: JSON}


class OrganisationRow(Base):
    """Whoever runs projects and pays for them."""

    __tablename__ = "organisations"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    created_at: Mapped[int]


class ProjectRow(Base):
    """A tenant; everything else belongs to one."""

    __tablename__ = "projects"
    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[int]
    organisation_id: Mapped[str] = mapped_column(default=DEFAULT_ORGANISATION)
    name: Mapped[str | None]
    archived_at: Mapped[int | None]


class PrincipalRow(Base):
    """Somebody who acts: a user, or a service account, which is a program of one project."""

    __tablename__ = "principals"
    __table_args__ = (UniqueConstraint("organisation_id", "email"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[str]
    name: Mapped[str]
    email: Mapped[str | None]
    is_owner: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[int]
    removed_at: Mapped[int | None]


class MembershipRow(Base):
    """What a principal may do in a project."""

    __tablename__ = "memberships"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id"), primary_key=True)
    role: Mapped[str]
    created_at: Mapped[int]


class ApiKeyRow(Base):
    """An API key, by its hash alone; it can do what its principal may, and no more than its own role."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str]
    key_hash: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]
    created_at: Mapped[int]
    revoked_at: Mapped[int | None]
    principal_id: Mapped[str] = mapped_column(default=OWNER)
    role: Mapped[str] = mapped_column(default="administer")
    of_organisation: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[int | None]
    last_used_at: Mapped[int | None]


class LimitRow(Base):
    """What a project (`project:ID`) or a key (`key:ID`) may ask for at most; null is no limit."""

    __tablename__ = "limits"
    subject: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    requests_per_minute: Mapped[int | None]
    tokens_per_minute: Mapped[int | None]
    gpu_hours_per_month: Mapped[float | None]
    updated_at: Mapped[int]


class LimitBucketRow(Base):
    """What is left to a limited subject at a moment; it fills up with time."""

    __tablename__ = "limit_buckets"
    subject: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    level: Mapped[float]
    updated_at: Mapped[float]


class UsageRow(Base):
    """What one key used of one model in one hour."""

    __tablename__ = "usage"
    __table_args__ = (Index("usage_by_hour", "hour"),)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    key_id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True)
    principal_id: Mapped[str]
    requests: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)


class AuditEventRow(Base):
    """Who changed what; triggers refuse to change or delete a row."""

    __tablename__ = "audit_events"
    id: Mapped[str] = mapped_column(primary_key=True)
    organisation_id: Mapped[str]
    project_id: Mapped[str | None]
    at: Mapped[int]
    type: Mapped[str]
    resource_id: Mapped[str]
    principal_id: Mapped[str]
    key_id: Mapped[str | None]
    request_id: Mapped[str | None]
    details: Mapped[dict[str, Any]]


class VectorStoreRow(Base):
    """A named set of documents; the row says which collection holds its vectors."""

    __tablename__ = "vector_stores"
    __table_args__ = (UniqueConstraint("project_id", "name"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str]
    collection: Mapped[str]
    embedder: Mapped[str]
    created_at: Mapped[int]
    label: Mapped[str | None]
    description: Mapped[str | None]
    about: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    expires_after_days: Mapped[int | None]
    last_active_at: Mapped[int | None]
    expired_at: Mapped[int | None]
    deleted_at: Mapped[int | None]


class DocumentRow(Base):
    """One document of a store: a file that was ingested from a folder, or one that was uploaded and attached.

    `pending` says that the vectors are not yet as the row says; the indexer of `ingest/` makes them so.
    """

    __tablename__ = "documents"
    __table_args__ = (
        Index("documents_by_file", "file_id", "store_id", unique=True),
        Index("documents_by_time", "store_id", "created_at", "file_id"),
        Index("documents_pending", "pending", "created_at"),
        Index("documents_by_batch", "batch_id"),
    )
    store_id: Mapped[str] = mapped_column(ForeignKey("vector_stores.id"), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    source: Mapped[str]
    title: Mapped[str]
    content_hash: Mapped[str]
    chunking: Mapped[str]
    num_chunks: Mapped[int]
    ingested_at: Mapped[int]
    file_id: Mapped[str]
    created_at: Mapped[int] = mapped_column(default=lambda: int(time.time()))
    status: Mapped[str] = mapped_column(default="completed")
    pending: Mapped[bool] = mapped_column(default=False)
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    strategy: Mapped[dict[str, Any] | None]
    usage_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    batch_id: Mapped[str | None]
    tries: Mapped[int] = mapped_column(default=0)
    held_by: Mapped[str | None]
    held_until: Mapped[float | None]


class FileBatchRow(Base):
    """Files that were attached to a store together; each knows its batch."""

    __tablename__ = "file_batches"
    id: Mapped[str] = mapped_column(primary_key=True)
    store_id: Mapped[str] = mapped_column(ForeignKey("vector_stores.id"))
    project_id: Mapped[str]
    created_at: Mapped[int]
    cancelled_at: Mapped[int | None]


class FileRow(Base):
    """An uploaded or produced file; its bytes lie in the object store under its id."""

    __tablename__ = "files"
    __table_args__ = (Index("files_by_project", "project_id", "created_at", "id"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    filename: Mapped[str]
    purpose: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[int]
    expires_at: Mapped[int | None]


class UploadRow(Base):
    """A file that comes in parts."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    filename: Mapped[str]
    purpose: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    mime_type: Mapped[str]
    created_at: Mapped[int]
    expires_at: Mapped[int]
    file_expires_after: Mapped[int | None]
    status: Mapped[str]
    file_id: Mapped[str | None]


class UploadPartRow(Base):
    """One part of an upload."""

    __tablename__ = "upload_parts"
    id: Mapped[str] = mapped_column(primary_key=True)
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"))
    project_id: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[int]


class JobRow(Base):
    """One piece of work, one id for life."""

    __tablename__ = "jobs"
    __table_args__ = (UniqueConstraint("project_id", "name"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str]
    wanted: Mapped[str]
    state: Mapped[str]
    fence: Mapped[int]
    fingerprint: Mapped[str]
    config: Mapped[dict[str, Any]]
    created_at: Mapped[int]
    finished_at: Mapped[int | None]
    model: Mapped[str | None]
    error: Mapped[str | None]
    request: Mapped[dict[str, Any] | None]
    error_code: Mapped[str | None]
    error_param: Mapped[str | None]
    trained_tokens: Mapped[int | None] = mapped_column(BigInteger)
    result_files: Mapped[list[str] | None]
    held_by: Mapped[str | None]
    held_until: Mapped[float | None]
    tidied_at: Mapped[int | None]
    num_steps: Mapped[int | None]


class JobEventRow(Base):
    """One thing that a job's owner is told; numbered from 1 without a gap."""

    __tablename__ = "job_events"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    fence: Mapped[int]
    created_at: Mapped[int]
    level: Mapped[str]
    type: Mapped[str]
    message: Mapped[str]
    data: Mapped[dict[str, Any]]


class AttemptRow(Base):
    """One try at a job; its number is the fence of every write it makes."""

    __tablename__ = "attempts"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    fence: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    started_at: Mapped[int]
    finished_at: Mapped[int | None]
    outcome: Mapped[str | None]
    events_cursor: Mapped[int] = mapped_column(default=0)
    handle: Mapped[dict[str, Any] | None]
    made_progress: Mapped[bool] = mapped_column(default=False)


class MetricRow(Base):
    """What was measured at one optimizer step; a later attempt's value replaces an earlier one's."""

    __tablename__ = "metrics"
    job_id: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    fence: Mapped[int]
    project_id: Mapped[str]
    values: Mapped[dict[str, Any]] = mapped_column("measured")
    __table_args__ = (ForeignKeyConstraint(["job_id", "fence"], ["attempts.job_id", "attempts.fence"]),)


class ModelVersionRow(Base):
    """An immutable trained model."""

    __tablename__ = "model_versions"
    name: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    base: Mapped[str]
    kind: Mapped[str]
    path: Mapped[str]
    created_at: Mapped[int]
    job_id: Mapped[str] = mapped_column(unique=True)
    """What made it: a job, of a checkpoint with its step behind it (`stores.registry`)."""
    lineage: Mapped[dict[str, Any]]
    deleted_at: Mapped[int | None]
    hidden: Mapped[bool] = mapped_column(default=False)


class ServedBaseRow(Base):
    """A base that is, or was, in memory; `project_id` is empty where it is everybody's."""

    __tablename__ = "served_bases"
    model: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    state: Mapped[str]
    asked_at: Mapped[float]


class AliasRow(Base):
    """A stable name that points at a model."""

    __tablename__ = "aliases"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    stores: Mapped[list[str]]
    instructions: Mapped[str | None]
    updated_at: Mapped[int]


class AliasMoveRow(Base):
    """One thing that an alias has pointed at; the newest that is not undone is what it points at now."""

    __tablename__ = "alias_moves"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    stores: Mapped[list[str]]
    instructions: Mapped[str | None]
    moved_at: Mapped[int]
    undone_at: Mapped[int | None]


class InteractionRow(Base):
    """One answer with the prompt that the model saw, kept because its client asked for that."""

    __tablename__ = "interactions"
    __table_args__ = (Index("interactions_by_time", "project_id", "created_at"),)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[int]
    asked: Mapped[str]
    answered_by: Mapped[str]
    messages: Mapped[list[Any]] = mapped_column(JSON)
    answer: Mapped[str]


class FeedbackRow(Base):
    """What somebody said of an answer."""

    __tablename__ = "feedback"
    __table_args__ = (
        ForeignKeyConstraint(
            ["project_id", "interaction_id"], ["interactions.project_id", "interactions.id"]
        ),
        Index("feedback_by_interaction", "project_id", "interaction_id"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    interaction_id: Mapped[str]
    created_at: Mapped[int]
    rating: Mapped[str]
    correction: Mapped[str | None]
    comment: Mapped[str | None]
    key_id: Mapped[str]


class ResponseRow(Base):
    """A stored answer of `/v1/responses`; its output is among its items."""

    __tablename__ = "responses"
    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    previous_id: Mapped[str | None]
    created_at: Mapped[int]
    body: Mapped[dict[str, Any]]


class ResponseItemRow(Base):
    """One item of a stored response: first what was put in, then what came out; numbered from 0."""

    __tablename__ = "response_items"
    __table_args__ = (Index("response_items_by_id", "project_id", "item_id"),)
    response_id: Mapped[str] = mapped_column(ForeignKey("responses.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    item_id: Mapped[str]
    is_output: Mapped[bool]
    item: Mapped[dict[str, Any]]


class BatchRow(Base):
    """A file of requests that are answered line by line."""

    __tablename__ = "batches"
    __table_args__ = (Index("batches_by_project", "project_id", "created_at", "id"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    endpoint: Mapped[str]
    input_file_id: Mapped[str]
    completion_window: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    fence: Mapped[int]
    created_at: Mapped[int]
    expires_at: Mapped[int]
    times: Mapped[dict[str, Any]]
    total: Mapped[int]
    completed: Mapped[int]
    failed: Mapped[int]
    usage: Mapped[dict[str, Any]]
    errors: Mapped[list[Any]] = mapped_column(JSON)
    model: Mapped[str | None]
    output_file_id: Mapped[str | None]
    error_file_id: Mapped[str | None]
    output_seconds: Mapped[int | None]
    details: Mapped[dict[str, Any] | None]
    cursor_line: Mapped[int]
    cursor_offset: Mapped[int] = mapped_column(BigInteger)
    ahead: Mapped[list[Any]] = mapped_column(JSON)
    held_by: Mapped[str | None]
    held_until: Mapped[float | None]
    token_hash: Mapped[str | None] = mapped_column(unique=True)


class BatchPartRow(Base):
    """Some results of a batch that were written together; what has no row does not count."""

    __tablename__ = "batch_parts"
    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    name: Mapped[str]
    num_output: Mapped[int]
    num_errors: Mapped[int]


class SubmissionRow(Base):
    """A program that `ray job submit` sent to a release."""

    __tablename__ = "submissions"
    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    entrypoint: Mapped[str]
    runtime_env: Mapped[dict[str, Any]]
    noted: Mapped[dict[str, Any]]
    resources: Mapped[dict[str, Any]]
    driver: Mapped[dict[str, Any]]
    folder: Mapped[str]
    namespace: Mapped[str | None]
    wanted: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    message: Mapped[str]
    created_ms: Mapped[int] = mapped_column(BigInteger)
    started_ms: Mapped[int | None] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    held_by: Mapped[str | None]
    held_until: Mapped[float | None]
    tidied: Mapped[bool] = mapped_column(default=False)


class Database:
    """A migrated database; hands out sessions that commit at the end or roll back.

    Args:
        url: `sqlite:///...` or `postgresql://...`.

    Raises:
        ConfigError: it is no URL, or of a kind that is not known.
        DependencyError: the package for this kind of database is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = open_engine(url)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction.

        Yields:
            A session; committed when the block ends well.

        Raises:
            ConfigError: a value is none that the database can keep.
            StorageError: the database cannot be read or written (a full disk, no permission, no server).
        """
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except DataError as error:
            # What passed every check and is still no text or number here: Postgres keeps no NUL character.
            raise ConfigError(f"A value cannot be kept: {_first_line(error)}. Send another one.") from error
        except (OperationalError, InterfaceError) as error:
            raise _unusable(self.url, error) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def lock_name(session: Session, name: str) -> None:
    """Let transactions that lock the same name follow one another; it is free when the transaction ends.

    Args:
        session: the transaction.
        name: anything; not the name of a row.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    else:
        # SQLite has one writer at a time; a write that meets no row makes this transaction that one.
        session.execute(update(ProjectRow).where(false()).values(created_at=ProjectRow.created_at))


def open_engine(url: str) -> Engine:
    """Open a database without looking at it.

    Args:
        url: `sqlite:///...` or `postgresql://...`.

    Returns:
        The engine.

    Raises:
        ConfigError: it is no URL, or of a kind that is not known.
        DependencyError: the package for this kind of database is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("TUNESMITH_DATABASE_URL is no URL. Write postgresql://user@host/name.") from error
    kind = parsed.drivername.partition("+")[0]
    if kind == "sqlite":
        engine = create_engine(parsed)
        event.listen(engine, "connect", _set_sqlite_pragmas)
        return engine
    if kind not in ("postgres", "postgresql"):
        raise ConfigError(
            f"TUNESMITH_DATABASE_URL is of the kind {parsed.drivername}. Use postgresql:// or sqlite:///."
        )
    try:
        # A connection may have been closed by the server, or by what stands before it, while it rested here.
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    except ImportError as error:
        raise DependencyError(
            f"TUNESMITH_DATABASE_URL needs a package that is not installed: {error}. Install tunesmith[cluster]."
        ) from error


def _unusable(url: str, error: DBAPIError) -> StorageError:
    parsed = make_url(url)
    way_out = (
        "Free some disk space or check the path."
        if parsed.drivername.startswith("sqlite")
        else "Check that the server runs, and TUNESMITH_DATABASE_URL."
    )
    shown = parsed.render_as_string(hide_password=True)
    return StorageError(f"The database {shown} cannot be used: {_first_line(error)}. {way_out}")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0].rstrip(".")


def _set_sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=15000")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def open_home_database(home: Home) -> Database:
    """Open the home's database, made and migrated if need be; several processes may do so at once.

    Args:
        home: the installation.

    Returns:
        The database at the newest schema.

    Raises:
        StorageError: the folder cannot be written.
    """
    try:
        home.make()
        with (home.root / ".migration.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_migrated(home.database_url):
                migrate(home.database_url)
    except OSError as error:
        raise StorageError(
            f"{home.root} cannot be written: {error.strerror}. Set TUNESMITH_HOME elsewhere."
        ) from error
    except OperationalError as error:
        raise _unusable(home.database_url, error) from error
    return Database(home.database_url)


def is_migrated(url: str) -> bool:
    """Whether a database is at the newest schema.

    Args:
        url: SQLAlchemy URL.

    Returns:
        True where its revision is that of the newest migration; False where it is not there.
    """
    path = make_url(url).database if url.startswith("sqlite:") else None
    if path is not None and not Path(path).exists():
        return False  # to ask would make the file
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError:
        return False
    finally:
        engine.dispose()
    return bool(revision == max(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py")))


def migrate(url: str) -> None:
    """Bring a database to the newest schema.

    Args:
        url: SQLAlchemy URL.
    """
    # Replicas and short commands open databases that are migrated already: they are spared seconds of imports.
    from alembic import command
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "head")
