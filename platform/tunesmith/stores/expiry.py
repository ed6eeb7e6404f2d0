"""What nobody can reach any more is taken away: expired files and uploads, and bytes without a row."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import delete, select

from tunesmith.records import ENDED_BATCH_STATES
from tunesmith.stores.database import (
    BatchRow,
    Database,
    FileRow,
    ProjectRow,
    UploadPartRow,
    UploadRow,
    VectorStoreRow,
)
from tunesmith.stores.documents import has_expired
from tunesmith.stores.files import FILE_PREFIX, file_key
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.ordered_ids import born_at
from tunesmith.stores.store_files import take_out_files
from tunesmith.stores.uploads import UPLOAD_PREFIX, upload_prefix

_MOST_AT_ONCE = 500
_GRACE_SECONDS = 3600
"""An upload that is being completed while it expires is not taken away under its feet."""
_ORPHAN_SECONDS = 24 * 3600
"""Bytes without a row that are younger may be on their way to one."""


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """How many files, uploads and vector stores have come to their end."""

    files: int
    uploads: int
    vector_stores: int


def purge_expired(database: Database, objects: ObjectStore) -> PurgeReport:
    """Take expired files and uploads of all projects away, rows first. Cheap when there is nothing to do.

    Of a vector store that has expired it is noted so; the indexer then takes its documents away.

    Args:
        database: the metadata database.
        objects: where the bytes lie.

    Returns:
        What was taken away; at most 500 of each at a time.

    Raises:
        StorageError: database or object store cannot be written.
    """
    return PurgeReport(
        _purge_files(database, objects), _purge_uploads(database, objects), _end_vector_stores(database)
    )


def _purge_files(database: Database, objects: ObjectStore) -> int:
    expired = select(FileRow).where(FileRow.expires_at <= int(time.time())).limit(_MOST_AT_ONCE)
    with database.session() as session:
        rows = list(session.scalars(expired))
        if rows:
            ids = [row.id for row in rows]
            take_out_files(session, ids)
            session.execute(delete(FileRow).where(FileRow.id.in_(ids)))
    for row in rows:
        objects.delete(file_key(row.project_id, row.id))
    return len(rows)


def _purge_uploads(database: Database, objects: ObjectStore) -> int:
    before = int(time.time()) - _GRACE_SECONDS
    expired = select(UploadRow).where(UploadRow.expires_at <= before).limit(_MOST_AT_ONCE)
    with database.session() as session:
        rows = list(session.scalars(expired))
        if rows:
            ids = [row.id for row in rows]
            session.execute(delete(UploadPartRow).where(UploadPartRow.upload_id.in_(ids)))
            session.execute(delete(UploadRow).where(UploadRow.id.in_(ids)))
    for row in rows:
        objects.delete_all(upload_prefix(row.project_id, row.id))
    return len(rows)


def _end_vector_stores(database: Database) -> int:
    mortal = select(VectorStoreRow).where(
        VectorStoreRow.expires_after_days.is_not(None),
        VectorStoreRow.expired_at.is_(None),
        VectorStoreRow.deleted_at.is_(None),
    )
    with database.session() as session:
        # Locked and read anew where the database can, so that one that was used a moment ago stays.
        ended = [row for row in session.scalars(mortal.with_for_update()) if has_expired(row)]
        for row in ended:
            row.expired_at = int(time.time())
    return len(ended)


def sweep_orphans(database: Database, objects: ObjectStore) -> int:
    """Take away what killed processes left: drafts, and bytes that no row names. Reads the whole list of
    objects: once a day is enough.

    Args:
        database: the metadata database.
        objects: where the bytes lie.

    Returns:
        How many drafts and objects there were.

    Raises:
        StorageError: database or object store cannot be read or written.
    """
    with database.session() as session:
        projects = list(session.scalars(select(ProjectRow.id)))
    orphans = [
        key
        for project in projects
        for key in (
            *_orphans(database, objects, f"projects/{project}/files", FileRow, FILE_PREFIX),
            *_orphans(database, objects, f"projects/{project}/uploads", UploadRow, UPLOAD_PREFIX),
            *_parts_of_ended_batches(database, objects, f"projects/{project}/batches"),
        )
    ]
    for key in orphans:
        objects.delete(key)
    return len(orphans) + objects.sweep_drafts()


def _orphans(
    database: Database, objects: ObjectStore, prefix: str, table: type[FileRow | UploadRow], id_prefix: str
) -> list[str]:
    # projects/<project>/files/<id>, projects/<project>/uploads/<id>/<part>
    ids = {key: key.split("/")[3] for key in objects.keys(prefix)}
    old = {key: id for key, id in ids.items() if _is_old(born_at(id, id_prefix))}
    with database.session() as session:
        return [key for key, id in old.items() if session.get(table, id) is None]


def _parts_of_ended_batches(database: Database, objects: ObjectStore, prefix: str) -> list[str]:
    # projects/<project>/batches/<id>/<part>: joined into files, but for a kill in the moment after
    ids = {key: key.split("/")[3] for key in objects.keys(prefix)}
    ended = select(BatchRow.id).where(BatchRow.state.in_(ENDED_BATCH_STATES))
    with database.session() as session:
        gone = set(session.scalars(ended.where(BatchRow.id.in_(set(ids.values())))))
    return [key for key, id in ids.items() if id in gone]


def _is_old(made_at: int | None) -> bool:
    return made_at is not None and made_at < time.time() - _ORPHAN_SECONDS
