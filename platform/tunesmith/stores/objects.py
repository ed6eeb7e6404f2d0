"""Bytes under keys: a folder of this machine, or a bucket behind fsspec.

    projects/<project>/files/<file id>                  a file
    projects/<project>/uploads/<upload id>/<part id>    a part of an upload

An object appears under its key when all of it lies there for good, and never before:

    write   -->  a draft that no key names        a kill leaves it there; `sweep_drafts` takes it away
    commit  -->  file://  fsync, then rename      s3://  the multipart upload is completed
    abort   -->  the draft is gone
"""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tunesmith.errors import ConfigError, NotFoundError, PlatformError, StorageError
from tunesmith.stores.object_streams import Draft, ObjectReader, ObjectWriter, OpenObject
from tunesmith.stores.objects_bucket import BucketObjects
from tunesmith.stores.objects_folder import FolderObjects

_SECONDS_A_DRAFT_MAY_REST = 24 * 3600
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Backend(Protocol):
    """Where the bytes lie. Its errors are its own; `ObjectStore` tells them."""

    errors: tuple[type[Exception], ...]

    def draft(self, key: str) -> Draft:
        """Begin an object."""

    def open(self, key: str) -> OpenObject | None:
        """Open an object; None where there is none."""

    def size(self, key: str) -> int | None:
        """The bytes of an object; None where there is none."""

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""

    def delete_all(self, prefix: str) -> None:
        """Remove all objects under a prefix."""

    def keys(self, prefix: str) -> list[str]:
        """All keys under a prefix, sorted."""

    def path(self, key: str) -> Path | None:
        """Where an object lies on this machine; None if it does not."""

    def sweep_drafts(self, older_than_seconds: float) -> int:
        """Remove what killed writers left; returns how many."""


class ObjectStore:
    """Bytes under keys; every error of the backend is told as one of ours.

    Args:
        url: `file:///folder`, `s3://bucket/prefix`, or any other URL that fsspec opens.

    Raises:
        ConfigError: the URL is none, or of a kind that is not known.
        DependencyError: the package for this kind of URL is not installed.
    """

    def __init__(self, url: str) -> None:
        if "://" not in url:
            raise ConfigError(f"{url} is not a URL. Write file:///folder or s3://bucket/prefix.")
        self.url = url
        self._backend: Backend = (
            FolderObjects(Path(url.removeprefix("file://")))
            if url.startswith("file://")
            else BucketObjects(url)
        )

    def writer(self, key: str) -> ObjectWriter:
        """Begin an object.

        Args:
            key: its key; an object that has it already is replaced on commit.

        Returns:
            A writer, also a context manager: the object appears when the block ends well.

        Raises:
            StorageError: the store cannot be written.
        """
        with self._told("written"):
            return ObjectWriter(self._backend.draft(_checked(key)), told=self._told)

    def reader(self, key: str, *, start: int = 0, stop: int | None = None) -> ObjectReader:
        """Open an object, or a range of it.

        Args:
            key: its key.
            start: first byte.
            stop: byte after the last one; None reads to the end.

        Returns:
            A reader, also a context manager; iterate over it for the bytes.

        Raises:
            NotFoundError: there is none.
            StorageError: the store cannot be read.
        """
        with self._told("read"):
            opened = self._backend.open(_checked(key))
            if opened is None:
                raise NotFoundError(f'The object "{key}" does not exist.')
            return ObjectReader(opened, start=start, stop=stop, told=self._told)

    def size(self, key: str) -> int:
        """How long an object is.

        Args:
            key: its key.

        Returns:
            Bytes.

        Raises:
            NotFoundError: there is none.
            StorageError: the store cannot be read.
        """
        with self._told("read"):
            size = self._backend.size(_checked(key))
        if size is None:
            raise NotFoundError(f'The object "{key}" does not exist.')
        return size

    def exists(self, key: str) -> bool:
        """Whether there is an object.

        Args:
            key: its key.

        Returns:
            True if it can be read.

        Raises:
            StorageError: the store cannot be read.
        """
        with self._told("read"):
            return self._backend.size(_checked(key)) is not None

    def delete(self, key: str) -> None:
        """Remove an object, if it is there.

        Args:
            key: its key.

        Raises:
            StorageError: the store cannot be written.
        """
        with self._told("written"):
            self._backend.delete(_checked(key))

    def delete_all(self, prefix: str) -> None:
        """Remove all objects under a prefix.

        Args:
            prefix: the keys up to a slash, without it.

        Raises:
            StorageError: the store cannot be written.
        """
        with self._told("written"):
            self._backend.delete_all(_checked(prefix))

    def keys(self, prefix: str) -> list[str]:
        """List the objects under a prefix.

        Args:
            prefix: the keys up to a slash, without it.

        Returns:
            Whole keys, sorted.

        Raises:
            StorageError: the store cannot be read.
        """
        with self._told("read"):
            return self._backend.keys(_checked(prefix))

    def join(self, parts: Sequence[str], key: str, *, md5: str | None = None) -> int:
        """Put objects end to end into a new one, piece by piece; the parts stay.

        Args:
            parts: their keys, in order.
            key: key of the whole.
            md5: what the whole must amount to, in hex.

        Returns:
            Bytes of the whole.

        Raises:
            ConfigError: it amounts to something else; nothing is written.
            NotFoundError: a part does not exist; nothing is written.
            StorageError: the store cannot be read or written.
        """
        digest, size = hashlib.md5(usedforsecurity=False), 0
        with self.writer(key) as whole:
            for part in parts:
                with self.reader(part) as pieces:
                    for piece in pieces:
                        digest.update(piece)
                        size += len(piece)
                        whole.write(piece)
            if md5 is not None and md5.strip().lower() != digest.hexdigest():
                raise ConfigError(
                    f"md5={md5}, but the bytes that came have {digest.hexdigest()}. Upload the parts again.",
                    param="md5",
                    code="md5_mismatch",
                )
        return size

    @contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        """Lend an object as a file of this machine, for readers that want a path.

        Args:
            key: its key.

        Yields:
            The file itself where it lies here, else a copy that is gone afterwards. Only to be read.

        Raises:
            NotFoundError: there is none.
            StorageError: the store cannot be read, or there is no room for the copy.
        """
        path = self._backend.path(_checked(key))
        if path is not None:
            self.size(key)
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="tunesmith-object-") as folder:
            copy = Path(folder) / Path(key).name
            self._download(key, copy)
            yield copy

    def sweep_drafts(self, older_than_seconds: float = _SECONDS_A_DRAFT_MAY_REST) -> int:
        """Remove what writers left that were killed. A bucket does so by a lifecycle rule of its own.

        Args:
            older_than_seconds: a draft that nobody wrote to for so long is nobody's.

        Returns:
            How many there were.

        Raises:
            StorageError: the store cannot be written.
        """
        with self._told("written"):
            return self._backend.sweep_drafts(older_than_seconds)

    def _download(self, key: str, copy: Path) -> None:
        with self.reader(key) as pieces, self._told("read"), copy.open("wb") as file:
            for piece in pieces:
                file.write(piece)

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except PlatformError:
            raise
        except self._backend.errors as error:
            raise StorageError(
                f"The object store {self.url} cannot be {done}: {_reason(error)}. {_way_out(error)}"
            ) from error


def _checked(key: str) -> str:
    # Keys are made of ids of ours; what came from outside never is one.
    assert not {"", ".", ".."} & set(key.split("/")), f"{key!r} is not a key"
    return key


def _reason(error: Exception) -> str:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return said.rstrip(".") or type(error).__name__


def _way_out(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _FULL:
        return "Free some disk space, or set TUNESMITH_OBJECTS_URL elsewhere."
    return "Check its address, its permissions and its credentials, or set TUNESMITH_OBJECTS_URL elsewhere."
