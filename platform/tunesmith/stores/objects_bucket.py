"""Objects behind fsspec: S3 and what speaks its language, Google Cloud Storage, Azure, and memory for tests.

Addresses and credentials come from the environment, as each backend reads it (`AWS_ENDPOINT_URL`,
`AWS_ACCESS_KEY_ID`, `GOOGLE_APPLICATION_CREDENTIALS`, `FSSPEC_S3_*`, ...), never from the URL.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any

import fsspec  # type: ignore[import-untyped]

from tunesmith.errors import ConfigError, DependencyError

_APPEAR_WHEN_CLOSED = {"s3", "s3a", "gs", "gcs", "abfs", "az"}
_BLOCK_BYTES = 16 * 2**20
_DRAFTS = ".drafts"


class BucketObjects:
    """The backend of every URL that is not `file://`.

    Args:
        url: for example `s3://bucket/prefix`.

    Raises:
        ConfigError: fsspec knows no such URL.
        DependencyError: the package that it wants for this URL is not installed.
    """

    # Each backend has a tree of errors of its own (botocore's are not even OSErrors).
    errors: tuple[type[Exception], ...] = (Exception,)

    def __init__(self, url: str) -> None:
        try:
            # What another process writes or deletes shall be seen at once.
            self._files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            raise DependencyError(f"{url} cannot be opened: {error}.") from error
        except ValueError as error:
            raise ConfigError(f"{url} cannot be opened: {error}. Use file:// or s3://.") from error
        self._root = root.rstrip("/")
        self._drafts_appear = url.split("://")[0] not in _APPEAR_WHEN_CLOSED

    def draft(self, key: str) -> ClosingDraft | MovingDraft:
        """Begin an object; see Backend.draft."""
        if self._drafts_appear:
            return MovingDraft(self._files, self._path(key), f"{self._root}/{_DRAFTS}/{secrets.token_hex(8)}")
        return ClosingDraft(self._files, self._path(key))

    def open(self, key: str) -> OpenRange | None:
        """Open an object; see Backend.open."""
        size = self.size(key)
        return None if size is None else OpenRange(self._files, self._path(key), size)

    def size(self, key: str) -> int | None:
        """How long an object is; see Backend.size."""
        try:
            found = self._files.info(self._path(key))
        except FileNotFoundError:
            return None
        return int(found["size"]) if found["type"] == "file" else None

    def delete(self, key: str) -> None:
        """Remove an object, if it is there; see Backend.delete."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(key))

    def delete_all(self, prefix: str) -> None:
        """Remove all objects under a prefix; see Backend.delete_all."""
        with suppress(FileNotFoundError):
            self._files.rm(self._path(prefix), recursive=True)

    def keys(self, prefix: str) -> list[str]:
        """List objects; see Backend.keys."""
        return sorted(path.removeprefix(f"{self._root}/") for path in self._files.find(self._path(prefix)))

    def path(self, key: str) -> None:
        """Say that objects do not lie on this machine; see Backend.path."""

    def sweep_drafts(self, older_than_seconds: float) -> int:
        """Leave drafts to the bucket's lifecycle rule for unfinished multipart uploads; see Backend.sweep_drafts."""
        del older_than_seconds
        return 0

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"


class ClosingDraft:
    """An object that appears when its file is closed: a multipart upload, or one PUT if it is small.

    Args:
        files: the file system.
        path: the object's path there.
    """

    def __init__(self, files: Any, path: str) -> None:
        self._file = files.open(path, "wb", block_size=_BLOCK_BYTES)

    def write(self, data: bytes | memoryview) -> None:
        """Append some bytes; see Draft.write."""
        self._file.write(data)

    def commit(self) -> None:
        """Complete the upload; see Draft.commit."""
        self._file.close()

    def abort(self) -> None:
        """Abort the upload; see Draft.abort."""
        # Or else the garbage collector would close the file, and so commit it.
        self._file.closed = True
        self._file.discard()


class MovingDraft:
    """An object whose bytes can be seen while they are written: under another name, until they are whole.

    Args:
        files: the file system.
        path: the object's path there.
        draft: path of the draft.
    """

    def __init__(self, files: Any, path: str, draft: str) -> None:
        self._files, self._path, self._draft = files, path, draft
        self._file = files.open(draft, "wb")

    def write(self, data: bytes | memoryview) -> None:
        """Append some bytes; see Draft.write."""
        self._file.write(data)

    def commit(self) -> None:
        """Give the bytes their name; see Draft.commit."""
        self._file.close()
        self._files.mv(self._draft, self._path)

    def abort(self) -> None:
        """Remove the bytes; see Draft.abort."""
        self._file.close()
        with suppress(FileNotFoundError):
            self._files.rm_file(self._draft)


class OpenRange:
    """An object of a bucket; every piece is a request of its own.

    Args:
        files: the file system.
        path: the object's path there.
        size: its bytes.
    """

    def __init__(self, files: Any, path: str, size: int) -> None:
        self._files = files
        self._path = path
        self.size = size

    def fetch(self, start: int, stop: int) -> bytes:
        """Read a range; see OpenObject.fetch."""
        return bytes(self._files.cat_file(self._path, start=start, end=stop))

    def close(self) -> None:
        """Nothing is held open; see OpenObject.close."""
