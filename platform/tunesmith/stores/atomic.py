"""Small files that are read while they are written: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tunesmith.errors import StorageError


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk.

    Args:
        path: the file or folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until a folder with all that it holds is on the disk: only then may a marker say that it is whole.

    Args:
        folder: the folder.
    """
    for path in (*folder.rglob("*"), folder):
        sync(path)


def write_atomic(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file in one step; a reader sees the old text or the new one, never half of it.

    Args:
        path: the file; its folder is made if need be.
        text: what it shall hold.
        mode: its permission bits.

    Raises:
        StorageError: the folder cannot be written (full, read-only, no permission).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(draft).chmod(mode)
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}. "
            "Free some disk space, or set TUNESMITH_HOME elsewhere."
        ) from error
