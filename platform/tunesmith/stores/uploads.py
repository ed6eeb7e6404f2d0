"""Files that come in parts, which may come side by side and in any order.

    create  ->  pending  --complete-->  completed   its parts are one file now
                   |------cancel----->  cancelled
                   '----an hour------>  expired     as good as never made

Every change of state is one conditional update, so that of a part, a complete and a cancel that meet, each
sees what the others did. To complete or cancel twice is to be told the same twice: clients try again when
an answer was lost.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from tunesmith.errors import ConfigError, NotFoundError, StorageError
from tunesmith.stores.database import Database, UploadPartRow, UploadRow
from tunesmith.stores.files import FILE_PREFIX, FileRecord, FileStore, Purpose, file_key, file_row
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.ordered_ids import born_at, new_id

UPLOAD_PREFIX = "upload_"
PART_PREFIX = "part_"
UPLOAD_EXPIRES_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """One upload.

    Attributes:
        id: `upload_...`.
        filename: what the file will be called.
        purpose: what it will be for.
        bytes: its length, as announced.
        created_at: Unix seconds.
        expires_at: Unix seconds.
        status: `pending`, `completed` or `cancelled`.
        file: what it became, once it is completed; None if that was deleted.
    """

    id: str
    filename: str
    purpose: str
    bytes: int
    created_at: int
    expires_at: int
    status: str
    file: FileRecord | None = None


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One part of an upload."""

    id: str
    upload_id: str
    bytes: int
    created_at: int


class UploadStore:
    """The uploads of one project.

    Args:
        database: the metadata database.
        objects: where the bytes lie.
        project_id: the project whose uploads are seen.
    """

    def __init__(self, database: Database, objects: ObjectStore, project_id: str) -> None:
        self._database = database
        self._objects = objects
        self._project_id = project_id

    def create(
        self,
        *,
        filename: str,
        purpose: Purpose,
        bytes: int,
        mime_type: str,
        file_expires_after_seconds: int | None = None,
    ) -> UploadRecord:
        """Announce a file.

        Args:
            filename: what it is called.
            purpose: what it is for.
            bytes: its length.
            mime_type: its kind.
            file_expires_after_seconds: how long the file lives once it is there; None keeps it.

        Returns:
            The upload, pending.
        """
        upload_id, now = new_id(UPLOAD_PREFIX), int(time.time())
        row = UploadRow(
            id=upload_id,
            project_id=self._project_id,
            filename=filename,
            purpose=purpose,
            bytes=bytes,
            mime_type=mime_type,
            created_at=now,
            expires_at=now + UPLOAD_EXPIRES_SECONDS,
            file_expires_after=file_expires_after_seconds,
            status="pending",
            file_id=None,
        )
        with self._database.session() as session:
            session.add(row)
        return self._to_record(row)

    def part(self, upload_id: str) -> PartDraft:
        """Begin a part whose bytes come piece by piece.

        Args:
            upload_id: the upload.

        Returns:
            Its draft.

        Raises:
            NotFoundError: the project has no such upload, or it has expired.
            ConfigError: it is not pending any more.
            StorageError: the object store cannot be written.
        """
        row = self._row(upload_id)
        if row.status != "pending":
            raise _not_pending(row)
        part_id = new_id(PART_PREFIX)
        return PartDraft(self, self._objects, self._key(upload_id, part_id), upload_id, part_id)

    def add(self, upload_id: str, pieces: Iterable[bytes]) -> PartRecord:
        """Add a part.

        Args:
            upload_id: the upload.
            pieces: its bytes.

        Returns:
            The part.

        Raises:
            NotFoundError: the project has no such upload, or it has expired.
            ConfigError: it is not pending any more; nothing is left.
            StorageError: object store or database cannot be written; nothing is left.
        """
        draft = self.part(upload_id)
        try:
            for piece in pieces:
                draft.write(piece)
            return draft.finish()
        finally:
            draft.discard()

    def complete(self, upload_id: str, part_ids: Sequence[str], *, md5: str | None = None) -> UploadRecord:
        """Make the parts one file.

        Args:
            upload_id: the upload.
            part_ids: its parts, in order; others are forgotten.
            md5: what the whole must amount to, in hex.

        Returns:
            The upload, completed, with its file.

        Raises:
            NotFoundError: the project has no such upload, or it has expired.
            ConfigError: it was cancelled, a part is unknown, or the whole is not what was announced.
            StorageError: object store or database cannot be written; the upload stays pending.
        """
        row = self._row(upload_id)
        parts = self._parts(upload_id)
        if row.status == "completed" and parts.keys() == set(part_ids):
            return self._to_record(row)
        if row.status != "pending":
            raise _not_pending(row)
        _check_parts(row, parts, part_ids)
        if not self._become_file(row, part_ids, md5=md5):
            # Another request was first, with these parts or with others.
            return self.complete(upload_id, part_ids)
        self._forget_bytes(upload_id)
        # Its hour may have ended while its parts were joined.
        return self._to_record(self._row(upload_id, also_expired=True))

    def cancel(self, upload_id: str) -> UploadRecord:
        """Give an upload up, with what came of it.

        Args:
            upload_id: the upload.

        Returns:
            The upload, cancelled.

        Raises:
            NotFoundError: the project has no such upload, or it has expired.
            ConfigError: it is completed.
        """
        self._row(upload_id)
        with self._database.session() as session:
            self._move(session, upload_id, status="cancelled")
        row = self._row(upload_id)
        if row.status != "cancelled":
            raise _not_pending(row)
        self._forget_bytes(upload_id)
        return self._to_record(row)

    def note_part(self, part_id: str, upload_id: str, bytes: int) -> PartRecord:
        """Note a part whose bytes are there.

        Args:
            part_id: its id.
            upload_id: the upload.
            bytes: its length.

        Returns:
            The part.

        Raises:
            NotFoundError: the upload has expired meanwhile.
            ConfigError: the upload is not pending any more.
        """
        created_at = born_at(part_id, PART_PREFIX)
        assert created_at is not None, part_id
        row = UploadPartRow(
            id=part_id,
            upload_id=upload_id,
            project_id=self._project_id,
            bytes=bytes,
            created_at=created_at,
        )
        with self._database.session() as session:
            pending = self._move(session, upload_id, status="pending")
            if pending:
                session.add(row)
        if not pending:
            raise _not_pending(self._row(upload_id))
        return PartRecord(part_id, upload_id, bytes, created_at)

    def _become_file(self, row: UploadRow, part_ids: Sequence[str], *, md5: str | None) -> bool:
        file_id = new_id(FILE_PREFIX)
        key = file_key(self._project_id, file_id)
        done = False
        try:
            self._objects.join([self._key(row.id, part_id) for part_id in part_ids], key, md5=md5)
            done = self._mark_completed(row, part_ids, file_id)
        except NotFoundError as error:
            if self._row(row.id, also_expired=True).status == "pending":
                raise StorageError(
                    f"The bytes of a part of '{row.id}' are missing in the object store. Upload the file again."
                ) from error
        finally:
            if not done:
                self._objects.delete(key)
        return done

    def _mark_completed(self, row: UploadRow, part_ids: Sequence[str], file_id: str) -> bool:
        with self._database.session() as session:
            done = self._move(session, row.id, status="completed", file_id=file_id)
            if done:
                session.add(
                    file_row(
                        file_id,
                        project_id=self._project_id,
                        filename=row.filename,
                        purpose=row.purpose,
                        bytes=row.bytes,
                        expires_after_seconds=row.file_expires_after,
                    )
                )
                named = set(part_ids)
                for part in session.scalars(select(UploadPartRow).filter_by(upload_id=row.id)):
                    if part.id not in named:
                        session.delete(part)
        return done

    def _move(self, session: Session, upload_id: str, **changes: str) -> bool:
        # A write first: it takes the lock, so that what is read or added after it cannot be outrun.
        pending = update(UploadRow).where(
            UploadRow.id == upload_id, UploadRow.project_id == self._project_id, UploadRow.status == "pending"
        )
        moved = session.execute(pending.values(**changes))
        assert isinstance(moved, CursorResult)
        return moved.rowcount == 1

    def _row(self, upload_id: str, *, also_expired: bool = False) -> UploadRow:
        with self._database.session() as session:
            row = session.scalar(select(UploadRow).filter_by(project_id=self._project_id, id=upload_id))
        if row is None or (row.expires_at <= time.time() and not also_expired):
            state = "does not exist" if row is None else "has expired"
            raise NotFoundError(
                f"The upload '{upload_id}' {state}. Begin one with POST /v1/uploads; it lives for an hour.",
                param="id",
                code="upload_not_found",
            )
        return row

    def _parts(self, upload_id: str) -> dict[str, int]:
        query = select(UploadPartRow).filter_by(project_id=self._project_id, upload_id=upload_id)
        with self._database.session() as session:
            return {row.id: row.bytes for row in session.scalars(query)}

    def _key(self, upload_id: str, part_id: str) -> str:
        return f"{upload_prefix(self._project_id, upload_id)}/{part_id}"

    def _forget_bytes(self, upload_id: str) -> None:
        for key in self._objects.keys(upload_prefix(self._project_id, upload_id)):
            self._objects.delete(key)

    def _to_record(self, row: UploadRow) -> UploadRecord:
        return UploadRecord(
            row.id,
            row.filename,
            row.purpose,
            row.bytes,
            row.created_at,
            row.expires_at,
            row.status,
            self._file(row.file_id),
        )

    def _file(self, file_id: str | None) -> FileRecord | None:
        if file_id is None:
            return None
        try:
            return FileStore(self._database, self._objects, self._project_id).get(file_id)
        except NotFoundError:
            return None


class PartDraft:
    """A part whose bytes are coming.

    Args:
        uploads: the store of its upload.
        objects: where the bytes go.
        key: their key.
        upload_id: the upload.
        part_id: the part.
    """

    def __init__(
        self, uploads: UploadStore, objects: ObjectStore, key: str, upload_id: str, part_id: str
    ) -> None:
        self._uploads = uploads
        self._objects = objects
        self._key = key
        self._upload_id = upload_id
        self._id = part_id
        self._writer = objects.writer(key)

    def write(self, data: bytes | memoryview) -> None:
        """Append some bytes.

        Args:
            data: the bytes.

        Raises:
            StorageError: the object store cannot be written; discard.
        """
        self._writer.write(data)

    def finish(self) -> PartRecord:
        """Make the part appear: its bytes, then its row.

        Returns:
            The part.

        Raises:
            NotFoundError: the upload has expired meanwhile; nothing is left.
            ConfigError: the upload was completed or cancelled meanwhile; nothing is left.
            StorageError: object store or database cannot be written; nothing is left.
        """
        self._writer.commit()
        try:
            return self._uploads.note_part(self._id, self._upload_id, self._writer.size)
        except BaseException:
            self._objects.delete(self._key)
            raise

    def discard(self) -> None:
        """Leave nothing behind, unless it is finished.

        Raises:
            StorageError: the object store cannot be written.
        """
        self._writer.abort()


def upload_prefix(project_id: str, upload_id: str) -> str:
    """Where the parts of an upload lie.

    Args:
        project_id: whose upload.
        upload_id: its id.

    Returns:
        Prefix in the object store.
    """
    return f"projects/{project_id}/uploads/{upload_id}"


def _check_parts(row: UploadRow, parts: dict[str, int], part_ids: Sequence[str]) -> None:
    unknown = [part_id for part_id in part_ids if part_id not in parts]
    twice = [part_id for part_id, count in Counter(part_ids).items() if count > 1]
    size = sum(parts.get(part_id, 0) for part_id in part_ids)
    fault = None
    if unknown:
        fault = f"'{unknown[0]}' is no part of this upload. Add it with POST /v1/uploads/{row.id}/parts"
    elif twice:
        fault = f"'{twice[0]}' stands in it twice. Name each part once, in order"
    elif size != row.bytes:
        fault = f"the parts hold {size} bytes, but the upload announced {row.bytes}. Add or leave out parts"
    if fault:
        raise ConfigError(f"Invalid value for 'part_ids': {fault}.", param="part_ids", code="invalid_value")


def _not_pending(row: UploadRow) -> ConfigError:
    return ConfigError(
        f"The upload '{row.id}' is {row.status}. Begin another one with POST /v1/uploads.",
        param="id",
        code=f"upload_{row.status}",
    )
