"""Which files an ingest takes, and what each is called in the store."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from tunesmith.errors import ConfigError
from tunesmith.ingest.report import Failure


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to ingest.

    Attributes:
        file: where it lies.
        path: its name in the store: relative to `source`, with `/` between parts.
        source: the ingested folder, absolute; of a file given by itself, the folder that holds it.
    """

    file: Path
    path: str
    source: str


@dataclass(frozen=True, slots=True)
class Found:
    """What lies under the given paths.

    Attributes:
        files: the files, by path.
        folders: the folders that were walked, absolute.
        failed: files and folders that could not be looked at, by their absolute paths.
    """

    files: tuple[FoundFile, ...]
    folders: tuple[str, ...]
    failed: tuple[Failure, ...] = ()

    def hides(self, source: str, path: str) -> bool:
        """Whether a file may be there although it was not found.

        Args:
            source: the folder it was found in earlier.
            path: its name in the store.

        Returns:
            True where it, or a folder above it, could not be looked at.
        """
        file = Path(source, path)
        return any(file.is_relative_to(place.path) for place in self.failed)


def find_files(paths: Sequence[str]) -> Found:
    """Find the files under some paths.

    Folders are walked. Hidden files and folders (a leading dot) are left out, and so are sockets and pipes,
    symbolic links to folders, and links to files outside the walked folder: nothing comes in by way of a link.

    Args:
        paths: files and folders; a path that does not exist may name a shipped one (`handbook/2026-01`).

    Returns:
        The files with their names in the store, and what could not be looked at.

    Raises:
        ConfigError: no path was given, one does not exist or cannot be reached, or two files would have one name.
    """
    if not paths:
        raise ConfigError("paths=(): there is nothing to ingest. Give files or folders.", param="paths")
    roots = [_locate(path) for path in paths]
    found: dict[str, FoundFile] = {}
    failed: dict[str, Failure] = {}
    for root in roots:
        for file in _walk(root, failed) if root.is_dir() else [_single(root)]:
            _require_new(found, file)
            found[file.path] = file
    folders = tuple(str(root) for root in roots if root.is_dir())
    return Found(tuple(found[path] for path in sorted(found)), folders, tuple(failed.values()))


def _locate(path: str) -> Path:
    given = Path(path).expanduser()
    shipped = Path(str(files("tunesmith"))) / "assets" / path
    try:
        for candidate in (given, shipped):
            if candidate.exists():
                return candidate.absolute()
    except OSError as error:
        raise ConfigError(
            f'"{path}" cannot be reached: {error.strerror}. Check the path, and the permissions of the folders '
            "above it.",
            param="paths",
        ) from error
    raise ConfigError(
        f'"{path}" does not exist. Check the path; relative ones start at {Path.cwd()}.', param="paths"
    )


def _walk(root: Path, failed: dict[str, Failure]) -> Iterator[FoundFile]:
    def note(error: OSError) -> None:
        folder = str(error.filename)
        failed[folder] = Failure(folder, f"cannot be listed: {error.strerror}. Check its permissions")

    inside = root.resolve()
    for folder, names, file_names in os.walk(root, onerror=note, followlinks=False):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(file_names):
            file = Path(folder) / name
            if not name.startswith(".") and _is_inside(file, inside, failed):
                yield FoundFile(file, file.relative_to(root).as_posix(), str(root))


def _is_inside(file: Path, root: Path, failed: dict[str, Failure]) -> bool:
    try:
        return file.is_file() and (not file.is_symlink() or file.resolve().is_relative_to(root))
    except OSError as error:
        # Its folder may be read but not entered, or the disk does not answer.
        reason = f"cannot be looked at: {error.strerror}. Check the permissions of its folder"
        failed[str(file)] = Failure(str(file), reason)
        return False


def _single(file: Path) -> FoundFile:
    return FoundFile(file, file.name, str(file.parent))


def _require_new(found: dict[str, FoundFile], file: FoundFile) -> None:
    other = found.get(file.path)
    if other and other.file.resolve() != file.file.resolve():
        raise ConfigError(
            f'Two files would both be "{file.path}" in the store: {other.file} and {file.file}. Ingest the folder '
            "above both, or use two stores.",
            param="paths",
        )
