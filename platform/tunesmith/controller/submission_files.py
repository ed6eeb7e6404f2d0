"""Files of what `ray job submit` sent: packages on the volume that its pods mount, and logs out of their reach."""

from __future__ import annotations

import secrets
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

from tunesmith.errors import ConfigError, StorageError
from tunesmith.jobs.submissions import GCS, Submission, SubmissionStore, package_key, packages_of
from tunesmith.stores.objects import ObjectStore

LARGEST_LOG_BYTES = 64 * 2**20
"""Of a longer log the beginning is kept."""
MOST_FILES = 65_000
"""Most files of a package; the zip format counts no further without an extension."""

_LARGEST_DIRECTORY_BYTES = 64 * 2**20
_PLACEHOLDER = ".tunesmith-package"
_OVERLAP_BYTES = 4096
_GAP = b"\n[...]\n"
_END_RECORD = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\x05\x06"


class SubmissionFiles:
    """The files of submissions.

    Args:
        submissions: knows which packages are still named.
        store: holds packages as they were uploaded, and logs.
        folder: the volume that the controller and all training pods mount, at the same path.
    """

    def __init__(self, submissions: SubmissionStore, store: ObjectStore, folder: Path) -> None:
        self._submissions = submissions
        self._store = store
        self._folder = folder

    def home(self, submission: Submission) -> Path:
        """Where its program works.

        Args:
            submission: the submission.

        Returns:
            A folder on the volume.
        """
        return self._folder / self.home_key(submission)

    def home_key(self, submission: Submission) -> str:
        """Where that lies below the volume.

        Args:
            submission: the submission.

        Returns:
            Its path, relative to the volume.
        """
        return f"{submission.folder}/home"

    def runtime_env(self, submission: Submission) -> dict[str, Any]:
        """Copy its packages to the volume, where Ray fetches them on every node.

        Args:
            submission: the submission.

        Returns:
            Its runtime environment, with these files in the place of packages of a Ray cluster's own.

        Raises:
            ConfigError: a package is none.
            NotFoundError: a package is not there.
            StorageError: the volume cannot be written.
        """
        # Before its pods mount it: what a kubelet makes is root's.
        self.home(submission).mkdir(parents=True, exist_ok=True)
        asked = dict(submission.runtime_env)
        # Its client has left them out of the package; Ray takes this word only beside a folder.
        asked.pop("excludes", None)
        if working_dir := asked.get("working_dir"):
            asked["working_dir"] = self._on_the_volume(submission, working_dir)
        if modules := asked.get("py_modules"):
            asked["py_modules"] = [self._on_the_volume(submission, module) for module in modules]
        return asked

    def keep_log(self, submission: Submission, printed: bytes) -> None:
        """Keep what its driver has printed so far.

        Args:
            submission: the submission.
            printed: what its pod still has of it: all, or the end of it.

        Raises:
            StorageError: it cannot be kept.
        """
        known = self._log(submission)
        if len(known) >= LARGEST_LOG_BYTES or known.endswith(printed):
            return
        with self._store.writer(submission.log_key) as log:
            log.write(_continued(known, printed))

    def remove_copies(self, submission: Submission) -> None:
        """Remove the packages from the volume.

        Args:
            submission: the submission.
        """
        folder = self._own(submission) / "packages"
        if not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)

    def remove(self, submission: Submission) -> None:
        """Remove its log and all that it made.

        Args:
            submission: the submission.

        Raises:
            StorageError: something cannot be removed.
        """
        self._store.delete(submission.log_key)
        folder = self._own(submission)
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"{folder} cannot be removed: {error.strerror}. Remove it by hand.") from error

    def drop_packages(self, submission: Submission) -> None:
        """Remove those of its packages from the object store that nobody names any more.

        Args:
            submission: one that is gone, or tidied.

        Raises:
            StorageError: the store cannot be written.
        """
        for name in packages_of(submission.runtime_env):
            if not self._submissions.names_package(submission.project_id, name):
                self._store.delete(package_key(submission.project_id, name))

    def _on_the_volume(self, submission: Submission, uri: Any) -> Any:
        if not isinstance(uri, str) or not uri.startswith(GCS):
            return uri
        name = uri.removeprefix(GCS)
        copy = self._own(submission) / "packages" / name
        if not copy.exists():
            with self._store.local_path(package_key(submission.project_id, name)) as package:
                _copy_package(package, copy)
        return f"file://{copy}"

    def _own(self, submission: Submission) -> Path:
        """Its folder on the volume. Programs of its project write there too: a link would lead out of it."""
        folder = self._folder / submission.folder
        if folder.resolve() != self._folder.resolve() / submission.folder:
            raise StorageError(
                f"{folder} is not where it should be: a link leads elsewhere. Remove the link."
            )
        return folder

    def _log(self, submission: Submission) -> bytes:
        if not self._store.exists(submission.log_key):
            return b""
        with self._store.reader(submission.log_key) as pieces:
            return b"".join(pieces)


def _continued(known: bytes, printed: bytes) -> bytes:
    """What is known of a log, and what was printed since: a kubelet that has turned it over shows its end alone."""
    if printed.startswith(known):
        return printed[:LARGEST_LOG_BYTES]
    tail = known[-_OVERLAP_BYTES:]
    at = printed.rfind(tail)
    new = printed[at + len(tail) :] if at >= 0 else _GAP + printed
    return (known + new)[:LARGEST_LOG_BYTES]


def _copy_package(package: Path, copy: Path) -> None:
    """Copy a package in one step, with a file beside a folder that is alone in it.

    Of a package at a URI Ray unpacks such a folder as if it were the whole.
    """
    draft = copy.with_name(f".{secrets.token_hex(4)}-{copy.name}")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package, draft)
        if copy.suffix == ".zip":
            _keep_lone_folder(draft, name=copy.name)
        draft.replace(copy)
    except OSError as error:
        raise StorageError(
            f"{copy} cannot be written: {error.strerror}. Free some space on the volume."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _keep_lone_folder(draft: Path, *, name: str) -> None:
    _require_few_files(draft, name=name)
    try:
        with zipfile.ZipFile(draft) as archive:
            top = {entry.partition("/")[0] for entry in archive.namelist()}
        if len(top) == 1:
            with zipfile.ZipFile(draft, "a") as archive:
                archive.writestr(_PLACEHOLDER, "")
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _no_zip(name) from error


def _require_few_files(draft: Path, *, name: str) -> None:
    """Look at the count alone: to read the names of millions of files takes gibibytes."""
    with draft.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - _END_RECORD.size - 2**16))
        end = file.read()
    at = end.rfind(_END_MARK)
    if at < 0 or len(end) - at < _END_RECORD.size:
        raise _no_zip(name)
    num_files, num_bytes = _END_RECORD.unpack_from(end, at)[4:6]
    if num_files > MOST_FILES or num_bytes > _LARGEST_DIRECTORY_BYTES:
        raise ConfigError(
            f"The package {name} holds more than {MOST_FILES:,} files. Leave some out (`excludes` in the runtime "
            "environment), or pack them into one."
        )


def _no_zip(name: str) -> ConfigError:
    return ConfigError(f"The package {name} is no zip file. Change a file in it, and submit again.")
