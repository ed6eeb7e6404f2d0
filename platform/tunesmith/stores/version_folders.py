"""The files of a version: a folder that all machines share, or one on each, and the same in a bucket.

    projects/<project>/models/<id>/
        adapter_model.safetensors  adapter_config.json  tokenizer.json ...
        manifest.json               written and uploaded last: a folder that has one is complete

Engines read folders. A machine that misses one pulls it, once: a version never changes.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from pathlib import Path
from typing import Any

from tunesmith.config.home import Home
from tunesmith.errors import NotFoundError, StorageError
from tunesmith.stores.atomic import sync, sync_tree
from tunesmith.stores.objects import ObjectStore

MANIFEST = "manifest.json"
"""Sizes and hashes of the other files."""


class VersionFolders:
    """Finds the folders of versions, wherever they were made.

    Args:
        home: the installation; its `objects/` holds what was pulled.
    """

    def __init__(self, home: Home) -> None:
        self._root = home.objects
        # In a folder that everybody shares everybody finds them.
        self._bucket = None if home.objects_are_shared else ObjectStore(home.objects_url)

    def push(self, key: str) -> None:
        """Put a complete folder of this machine into the bucket, if there is one; again changes nothing.

        Args:
            key: its place below `objects/`.

        Raises:
            StorageError: the bucket cannot be written.
        """
        if self._bucket is None or self._bucket.exists(f"{key}/{MANIFEST}"):
            return
        for name in (*sorted(self._manifest(key)["files"]), MANIFEST):
            with (
                self._bucket.writer(f"{key}/{name}") as target,
                (self._root / key / name).open("rb") as source,
            ):
                while piece := source.read(_PIECE_BYTES):
                    target.write(piece)

    def find(self, key: str) -> Path:
        """Find a folder, and pull it first where only the bucket has it.

        Args:
            key: its place below `objects/`.

        Returns:
            The folder on this machine.

        Raises:
            NotFoundError: the bucket does not have it.
            StorageError: the bucket cannot be read, there is no room, or what came is not what was put there.
        """
        folder = self._root / key
        if self._bucket is not None and not (folder / MANIFEST).exists():
            self._pull(self._bucket, key, folder)
        return folder

    def _pull(self, bucket: ObjectStore, key: str, folder: Path) -> None:
        # Of a name of its own: another process of this machine may miss the same version.
        partial = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.partial")
        try:
            with bucket.local_path(f"{key}/{MANIFEST}") as manifest:
                files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
                for name, described in files.items():
                    _download(bucket, f"{key}/{name}", partial / name, described)
                shutil.copyfile(manifest, partial / MANIFEST)
            sync_tree(partial)
            partial.replace(folder)
            sync(folder.parent)
        except NotFoundError:
            raise
        except OSError as error:
            if not (folder / MANIFEST).exists():  # else another process was faster
                raise StorageError(
                    f"{folder} cannot be written: {error.strerror}. Free some disk space."
                ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _manifest(self, key: str) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self._root / key / MANIFEST).read_text(encoding="utf-8"))
        return manifest


_PIECE_BYTES = 4 * 2**20


def _download(bucket: ObjectStore, key: str, target: Path, described: dict[str, Any]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with bucket.reader(key) as pieces, target.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    if (size, digest.hexdigest()) != (described["bytes"], described["sha256"]):
        raise StorageError(
            f"The object {key} has {size} bytes that are not those of its version ({described['bytes']} bytes). "
            "Somebody wrote over it: put it back, or train again."
        )
