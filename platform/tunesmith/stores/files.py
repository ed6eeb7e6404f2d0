"""The files of a project: what was uploaded, and what jobs made.

A row stands for a file that is whole: it is written after the bytes and removed before them. What a kill
leaves in between are bytes without a row, which nobody sees and `stores/expiry.py` takes away.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import ColumnElement, delete, or_, select, tuple_

from tunesmith.errors import ConfigError, NotFoundError, StorageError
from tunesmith.stores.database import Database, FileRow
from tunesmith.stores.object_streams import ObjectReader
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.ordered_ids import born_at, new_id
from tunesmith.stores.store_files import take_out_files

UploadPurpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
"""What a file may be uploaded for."""
Purpose = Literal[UploadPurpose, "assistants_output", "batch_output", "fine-tune-results"]
"""What a file may be for."""
FILE_PREFIX = "file-"
MOST_FILES_LISTED = 10_000
_BATCH_EXPIRES_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file.

    Attributes:
        id: `file-...`; sorts by the moment of its making.
        filename: as its owner calls it.
        purpose: what it is for.
        bytes: its length.
        created_at: Unix seconds.
        expires_at: Unix seconds; None keeps it until it is deleted.
    """

    id: str
    filename: str
    purpose: str
    bytes: int
    created_at: int
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class FilePage:
    """Some files in order, and whether there are more after them."""

    files: Sequence[FileRecord]
    has_more: bool


class FileStore:
    """The files of one project. One that has expired is as good as deleted.

    Args:
        database: the metadata database.
        objects: where the bytes lie.
        project_id: the project whose files are seen.
    """

    def __init__(self, database: Database, objects: ObjectStore, project_id: str) -> None:
        self._database = database
        self._objects = objects
        self._project_id = project_id

    def draft(self) -> FileDraft:
        """Begin a file whose bytes come piece by piece.

        Returns:
            Its draft.

        Raises:
            StorageError: the object store cannot be written.
        """
        return FileDraft(self._database, self._objects, self._project_id)

    def create(
        self,
        pieces: Iterable[bytes],
        *,
        filename: str,
        purpose: Purpose,
        expires_after_seconds: int | None = None,
    ) -> FileRecord:
        """Make a file.

        Args:
            pieces: its bytes.
            filename: what it is called.
            purpose: what it is for.
            expires_after_seconds: how long it lives; None keeps it.

        Returns:
            The file.

        Raises:
            StorageError: object store or database cannot be written; nothing is left.
        """
        draft = self.draft()
        try:
            for piece in pieces:
                draft.write(piece)
            return draft.finish(
                filename=filename, purpose=purpose, expires_after_seconds=expires_after_seconds
            )
        finally:
            draft.discard()

    def get(self, file_id: str) -> FileRecord:
        """Look a file up.

        Args:
            file_id: its id.

        Returns:
            The file.

        Raises:
            NotFoundError: the project has none of that id (any more).
        """
        with self._database.session() as session:
            row = session.scalar(select(FileRow).where(self._visible(), FileRow.id == file_id))
        if row is None:
            raise NotFoundError(
                f"No such File object: {file_id}. GET /v1/files lists those that there are.",
                param="id",
                code="file_not_found",
            )
        return _to_record(row)

    def list(
        self,
        *,
        after: str | None = None,
        limit: int = MOST_FILES_LISTED,
        order: Literal["asc", "desc"] = "desc",
        purpose: str | None = None,
    ) -> FilePage:
        """List files by the moment of their making.

        Args:
            after: id of the file that came last on the page before; it need not exist any more.
            limit: most files on the page.
            order: `desc` has the newest first.
            purpose: only those for this purpose.

        Returns:
            A page.

        Raises:
            ConfigError: `after` is no id of a file.
        """
        query = select(FileRow).where(self._visible())
        place = tuple_(FileRow.created_at, FileRow.id)
        if purpose is not None:
            query = query.where(FileRow.purpose == purpose)
        if after is not None:
            cursor = _place_of(after)
            query = query.where(place > cursor if order == "asc" else place < cursor)
        by = (
            (FileRow.created_at, FileRow.id)
            if order == "asc"
            else (FileRow.created_at.desc(), FileRow.id.desc())
        )
        with self._database.session() as session:
            found = [_to_record(row) for row in session.scalars(query.order_by(*by).limit(limit + 1))]
        return FilePage(found[:limit], has_more=len(found) > limit)

    def delete(self, file_id: str) -> None:
        """Delete a file; it leaves the vector stores that it is attached to.

        Args:
            file_id: its id.

        Raises:
            NotFoundError: the project has none of that id (any more).
            StorageError: database or object store cannot be written.
        """
        self.get(file_id)
        with self._database.session() as session:
            take_out_files(session, [file_id])
            session.execute(delete(FileRow).where(self._visible(), FileRow.id == file_id))
        self._objects.delete(file_key(self._project_id, file_id))

    def content(self, file_id: str, *, start: int = 0) -> ObjectReader:
        """Open a file.

        Args:
            file_id: its id.
            start: first byte.

        Returns:
            Its bytes; to be closed.

        Raises:
            NotFoundError: the project has none of that id (any more).
            StorageError: its bytes are gone, or cannot be read.
        """
        self.get(file_id)
        try:
            return self._objects.reader(file_key(self._project_id, file_id), start=start)
        except NotFoundError as error:
            raise self._gone(file_id) from error

    def local_path(self, file_id: str) -> AbstractContextManager[Path]:
        """Lend a file as a path of this machine; see `ObjectStore.local_path`.

        Args:
            file_id: its id.

        Returns:
            A context manager that gives the path.

        Raises:
            NotFoundError: the project has none of that id (any more).
        """
        self.get(file_id)
        return self._objects.local_path(file_key(self._project_id, file_id))

    def _gone(self, file_id: str) -> StorageError:
        # Whoever deleted it a moment ago is told so here.
        self.get(file_id)
        return StorageError(
            f"The bytes of {file_id} are missing in the object store {self._objects.url}. Restore them from a backup, "
            "or delete the file and upload it again."
        )

    def _visible(self) -> ColumnElement[bool]:
        alive = or_(FileRow.expires_at.is_(None), FileRow.expires_at > int(time.time()))
        return (FileRow.project_id == self._project_id) & alive


class FileDraft:
    """A file whose bytes are coming.

    Args:
        database: the metadata database.
        objects: where the bytes go.
        project_id: whose file it will be.
    """

    def __init__(self, database: Database, objects: ObjectStore, project_id: str) -> None:
        self._database = database
        self._objects = objects
        self._project_id = project_id
        self._id = new_id(FILE_PREFIX)
        self._writer = objects.writer(file_key(project_id, self._id))

    def write(self, data: bytes | memoryview) -> None:
        """Append some bytes.

        Args:
            data: the bytes.

        Raises:
            StorageError: the object store cannot be written; discard.
        """
        self._writer.write(data)

    def finish(
        self, *, filename: str, purpose: Purpose, expires_after_seconds: int | None = None
    ) -> FileRecord:
        """Make the file appear: its bytes, then its row.

        Args:
            filename: what it is called.
            purpose: what it is for.
            expires_after_seconds: how long it lives; None keeps it, or for 30 days if it is a batch.

        Returns:
            The file.

        Raises:
            StorageError: object store or database cannot be written; nothing is left.
        """
        row = file_row(
            self._id,
            project_id=self._project_id,
            filename=filename,
            purpose=purpose,
            bytes=self._writer.size,
            expires_after_seconds=expires_after_seconds,
        )
        self._writer.commit()
        try:
            with self._database.session() as session:
                session.add(row)
        except BaseException:
            self._objects.delete(file_key(self._project_id, self._id))
            raise
        return _to_record(row)

    def discard(self) -> None:
        """Leave nothing behind, unless it is finished.

        Raises:
            StorageError: the object store cannot be written.
        """
        self._writer.abort()


def file_key(project_id: str, file_id: str) -> str:
    """Where the bytes of a file lie.

    Args:
        project_id: whose file.
        file_id: its id.

    Returns:
        Key in the object store.
    """
    return f"projects/{project_id}/files/{file_id}"


def file_row(
    file_id: str,
    *,
    project_id: str,
    filename: str,
    purpose: str,
    bytes: int,
    expires_after_seconds: int | None,
) -> FileRow:
    """The row of a file whose bytes are there.

    Args:
        file_id: its id, which says when it was made.
        project_id: whose file.
        filename: what it is called.
        purpose: what it is for.
        bytes: its length.
        expires_after_seconds: how long it lives; None keeps it, or for 30 days if it is a batch.

    Returns:
        The row, not yet in the database.
    """
    created_at = born_at(file_id, FILE_PREFIX)
    assert created_at is not None, file_id
    if expires_after_seconds is None and purpose == "batch":
        expires_after_seconds = _BATCH_EXPIRES_SECONDS
    return FileRow(
        id=file_id,
        project_id=project_id,
        filename=filename,
        purpose=purpose,
        bytes=bytes,
        created_at=created_at,
        expires_at=None if expires_after_seconds is None else created_at + expires_after_seconds,
    )


def _place_of(file_id: str) -> tuple[int, str]:
    created_at = born_at(file_id, FILE_PREFIX)
    if created_at is None:
        raise ConfigError(
            f"Invalid value for 'after': '{file_id}' is not the id of a file. Send the `last_id` of the page before.",
            param="after",
            code="invalid_value",
        )
    return created_at, file_id


def _to_record(row: FileRow) -> FileRecord:
    return FileRecord(row.id, row.filename, row.purpose, row.bytes, row.created_at, row.expires_at)
