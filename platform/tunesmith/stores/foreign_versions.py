"""Version folders that a program made in a home of its own, read with distrust: it can write there what it likes.

    <its home>/objects/projects/default/models/<id>/
        manifest.json       says what the others are
        ...safetensors, JSON

No link is followed, and only weights and settings are taken, each as its manifest describes it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO

from pydantic import Field, ValidationError

from tunesmith.config.strict import StrictModel
from tunesmith.errors import DataError, StorageError
from tunesmith.records import DEFAULT_PROJECT, Lineage, VersionKind
from tunesmith.stores.atomic import sync, sync_tree
from tunesmith.stores.no_links import file_below, names_below
from tunesmith.stores.version_folders import MANIFEST

_MODELS = f"objects/projects/{DEFAULT_PROJECT}/models"
_TAKEN = (".safetensors", ".json", ".jinja", ".txt", ".model")
_LARGEST_MANIFEST_BYTES = 16 * 2**20
_MOST_FILES = 1000
_LARGEST_FILE_BYTES = 2**40
_LONGEST_NUMBER = 30
_FOLDER = re.compile(r"[0-9a-f]{8,64}(-step-\d{1,12})?")
_PIECE_BYTES = 4 * 2**20

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$")]
"""A name of letters and digits: versions have no folders."""


class ForeignFile(StrictModel):
    """A file of a version."""

    bytes: int = Field(ge=0, le=_LARGEST_FILE_BYTES)
    """Its size."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Its hash."""


class ForeignVersion(StrictModel):
    """What a manifest says."""

    name: str = Field(pattern=r"^ft(:[A-Za-z0-9._-]{1,100}){3}:[0-9a-f]{4,32}(:ckpt-step-\d{1,12})?$")
    """By which the program knows it."""
    base: str = Field(pattern=r"^[A-Za-z0-9/][A-Za-z0-9 ._/@+-]{0,499}$")
    """Its base model."""
    kind: VersionKind
    """An adapter or a model of its own."""
    files: dict[FileName, ForeignFile] = Field(min_length=1, max_length=_MOST_FILES)
    """The other files."""
    lineage: Lineage
    """Where it comes from."""

    def name_in(self, project_id: str) -> str:
        """Its name where it belongs to a project; in a home of its own every program is the default project.

        Args:
            project_id: the project.

        Returns:
            The name.
        """
        mark, base, _, *rest = self.name.split(":")
        return ":".join([mark, base, project_id, *rest])


def foreign_versions(root: Path, home: str) -> list[str]:
    """List the complete versions in a program's home.

    Args:
        root: folder of objects.
        home: the program's home, relative to it.

    Returns:
        Their folders, relative to `root`.
    """
    names = names_below(root, f"{home}/{_MODELS}")
    found = [f"{home}/{_MODELS}/{name}" for name in names if _FOLDER.fullmatch(name)]
    return [folder for folder in found if MANIFEST in names_below(root, folder)]


def read_foreign_version(root: Path, folder: str) -> ForeignVersion:
    """Read a manifest.

    Args:
        root: folder of objects.
        folder: the version's folder, relative to it.

    Returns:
        What it says.

    Raises:
        DataError: it is none that this project writes.
    """
    try:
        with file_below(root, f"{folder}/{MANIFEST}") as file:
            text = file.read(_LARGEST_MANIFEST_BYTES + 1)
        if len(text) > _LARGEST_MANIFEST_BYTES:
            raise DataError(f"its {MANIFEST} has more than {_LARGEST_MANIFEST_BYTES // 2**20} MiB")
        return ForeignVersion.model_validate(_parsed(text))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise DataError(f"its {MANIFEST} is not one of Tunesmith's: {where}: {fault['msg']}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"its {MANIFEST} cannot be read: {error}") from error


def _parsed(text: bytes) -> Any:
    """Read JSON that any database can keep: no NaN, no number without end, no NUL and no half of a character."""
    parsed = json.loads(text, parse_constant=_number, parse_float=_number, parse_int=_integer)
    if b"\\u0000" in text:
        raise ValueError("it holds a NUL")
    json.dumps(parsed, ensure_ascii=False).encode()
    return parsed


def _number(said: str) -> float:
    number = float(said)
    if not math.isfinite(number):
        raise ValueError(f"{said} is no number that a database keeps")
    return number


def _integer(said: str) -> int:
    if len(said) > _LONGEST_NUMBER:
        raise ValueError(f"{said[:_LONGEST_NUMBER]}... is no number that a database keeps")
    return int(said)


def copy_foreign_version(root: Path, folder: str, said: ForeignVersion, target: Path) -> None:
    """Copy what the manifest names, and see that it is what the manifest says; complete or absent.

    Args:
        root: folder of objects.
        folder: the version's folder, relative to it.
        said: its manifest.
        target: where it shall lie, below a folder in which no foreign program writes; one that is there already is left
            as it is.

    Raises:
        DataError: a file is missing, of a kind that no version has, or another one.
        StorageError: there is no room.
    """
    if (target / MANIFEST).exists():
        return
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    try:
        for name, described in said.files.items():
            _copy(root, f"{folder}/{name}", partial / name, described)
        manifest = said.model_dump(mode="json")
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        sync_tree(partial)
        partial.replace(target)
        sync(target.parent)
    except OSError as error:
        if not (target / MANIFEST).exists():  # else another controller was faster
            raise StorageError(f"{target} cannot be written: {error.strerror}. Free some space.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy(root: Path, key: str, target: Path, described: ForeignFile) -> None:
    name = PurePosixPath(key).name
    if PurePosixPath(key).suffix not in _TAKEN:
        raise DataError(f"{name} is neither weights nor settings ({', '.join(_TAKEN)})")
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with _readable(root, key) as source, target.open("wb") as copy:
        # No further than was said: the file may grow while it is read.
        while piece := source.read(min(_PIECE_BYTES, described.bytes + 1 - size)):
            copy.write(piece)
            digest.update(piece)
            size += len(piece)
    if (size, digest.hexdigest()) != (described.bytes, described.sha256):
        raise DataError(f"{name} is not the file that its {MANIFEST} describes")


@contextmanager
def _readable(root: Path, key: str) -> Iterator[BinaryIO]:
    """Open a file; that it cannot be opened is a fault of the version, not of the disk it is copied to."""
    with ExitStack() as opened:
        try:
            file = opened.enter_context(file_below(root, key))
        except OSError as error:
            raise DataError(f"{PurePosixPath(key).name} cannot be read: {error}") from error
        yield file
