"""Reads below a folder in which foreign programs write: a link there could lead to any file of whoever reads.

Each folder on the way is opened by itself and without following a link, so that one that becomes a link meanwhile is
refused as well.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A pipe would keep whoever opens it waiting.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


def names_below(root: Path, key: str) -> list[str]:
    """List a folder.

    Args:
        root: a folder in which only trusted programs write.
        key: the folder, relative to it.

    Returns:
        Names of what lies in it, sorted; none where it is not there, or not reached without a link.
    """
    try:
        with _opened(root, PurePosixPath(key).parts) as folder, os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except OSError:
        return []


@contextmanager
def file_below(root: Path, key: str) -> Iterator[BinaryIO]:
    """Open a file.

    Args:
        root: a folder in which only trusted programs write.
        key: the file, relative to it.

    Yields:
        It, for reading.

    Raises:
        OSError: it is not there, no file, or not reached without a link.
    """
    *folders, name = PurePosixPath(key).parts
    with _opened(root, folders) as folder, os.fdopen(os.open(name, _FILE, dir_fd=folder), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{key} is no file")
        yield file


@contextmanager
def _opened(root: Path, folders: Iterator[str] | tuple[str, ...] | list[str]) -> Iterator[int]:
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in folders:
            if name in ("..", "/"):
                raise OSError(f"{name} leads out of {root}")
            at, above = os.open(name, _FOLDER, dir_fd=at), at
            os.close(above)
        yield at
    finally:
        os.close(at)
