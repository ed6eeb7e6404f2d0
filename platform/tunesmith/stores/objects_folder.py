"""Objects as the files of a folder: drafts lie beside them, and a rename makes them appear."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_DRAFTS = ".drafts"


class FolderObjects:
    """The backend of `file://`.

    Args:
        root: the folder; made with the first object.
    """

    errors: tuple[type[Exception], ...] = (OSError, EOFError)

    def __init__(self, root: Path) -> None:
        self._root = root

    def draft(self, key: str) -> FolderDraft:
        """Begin an object; see Backend.draft."""
        drafts = self._root / _DRAFTS
        drafts.mkdir(parents=True, exist_ok=True)
        return FolderDraft(self._root / key, drafts)

    def open(self, key: str) -> OpenFile | None:
        """Open an object; see Backend.open."""
        try:
            return OpenFile(self._root / key)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def size(self, key: str) -> int | None:
        """How long an object is; see Backend.size."""
        path = self._root / key
        try:
            return path.stat().st_size if path.is_file() else None
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """Remove an object, if it is there; see Backend.delete."""
        (self._root / key).unlink(missing_ok=True)

    def delete_all(self, prefix: str) -> None:
        """Remove all objects under a prefix, and the folders that are empty then; see Backend.delete_all."""
        for folder, _, names in os.walk(self._root / prefix, topdown=False):
            for name in names:
                (Path(folder) / name).unlink(missing_ok=True)
            # Something may have come in meanwhile: then it stays.
            with suppress(OSError):
                Path(folder).rmdir()

    def keys(self, prefix: str) -> list[str]:
        """List objects; see Backend.keys."""
        files = (Path(folder) / name for folder, _, names in os.walk(self._root / prefix) for name in names)
        return sorted(file.relative_to(self._root).as_posix() for file in files)

    def path(self, key: str) -> Path:
        """Where an object lies; see Backend.path."""
        return self._root / key

    def sweep_drafts(self, older_than_seconds: float) -> int:
        """Remove drafts that nobody has written to for long; see Backend.sweep_drafts."""
        before = time.time() - older_than_seconds
        drafts = self._root / _DRAFTS
        stale = [draft for draft in drafts.glob("*") if draft.stat().st_mtime < before]
        for draft in stale:
            draft.unlink(missing_ok=True)
        return len(stale)


class FolderDraft:
    """A file without a place yet.

    Args:
        path: its place to be.
        drafts: the folder of drafts, on the same file system.
    """

    def __init__(self, path: Path, drafts: Path) -> None:
        self._path = path
        descriptor, name = tempfile.mkstemp(dir=drafts)
        self._draft = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, data: bytes | memoryview) -> None:
        """Append some bytes; see Draft.write."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def commit(self) -> None:
        """Put the file into its place once the disk holds all of it; see Draft.commit."""
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._draft.replace(self._path)
        _sync_folder(self._path.parent)

    def abort(self) -> None:
        """Remove the file; see Draft.abort."""
        with suppress(OSError):
            self._file.close()
        self._draft.unlink(missing_ok=True)


class OpenFile:
    """A file that is being read, from several threads if need be.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size

    def fetch(self, start: int, stop: int) -> bytes:
        """Read a range; see OpenObject.fetch."""
        return os.pread(self._file.fileno(), stop - start, start)

    def close(self) -> None:
        """Close the file; see OpenObject.close."""
        self._file.close()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
