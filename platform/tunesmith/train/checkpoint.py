"""Checkpoints: the complete state of a run, or nothing.

    attempt-0001/checkpoint-50/     weights, ZeRO shards of the optimizer, scheduler, RNG of each rank, data position
    attempt-0001/checkpoint-50/COMPLETE.json     written last, after every rank's files are on disk

A folder without its marker is a run that was killed while it saved; it is never resumed from. The marker
lists the files and their sizes, so that a truncated copy is not taken for a whole one.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tunesmith.errors import StorageError

MARKER = "COMPLETE.json"


@dataclass(frozen=True, slots=True)
class SavedState:
    """A complete checkpoint."""

    path: Path
    step: int


def seal(folder: Path, *, step: int) -> SavedState:
    """Declare a checkpoint complete, once all ranks have written theirs.

    Args:
        folder: the checkpoint.
        step: its optimizer step.

    Returns:
        The checkpoint.
    """
    files = {str(path.relative_to(folder)): path.stat().st_size for path in _files(folder)}
    for name in files:
        _sync(folder / name)
    partial = folder / f"{MARKER}.partial"
    partial.write_text(json.dumps({"step": step, "files": files}), encoding="utf-8")
    _sync(partial)
    partial.replace(folder / MARKER)
    return SavedState(folder, step)


def newest_complete(job_folder: Path) -> SavedState | None:
    """Find where to go on from.

    Args:
        job_folder: the job's folder; checkpoints of all its attempts count.

    Returns:
        The complete checkpoint with the highest step, the newest attempt's where two are equal, or None.
    """
    found = _complete(job_folder)
    return found[-1] if found else None


def prune(attempt_folder: Path, *, num_kept: int) -> None:
    """Remove all complete checkpoints but the newest, and what a kill left half-written.

    Only of this attempt and earlier ones: an attempt that everybody thought dead takes nothing from its successor.

    Args:
        attempt_folder: the folder of the attempt that prunes.
        num_kept: complete checkpoints that stay.
    """
    mine = attempt_folder.name  # attempt-0002: in the order of their numbers
    found = [state for state in _complete(attempt_folder.parent) if state.path.parent.name <= mine]
    kept = {state.path for state in found[-num_kept:]}
    newest_step = found[-1].step if found else 0
    for folder in attempt_folder.parent.glob("attempt-*/checkpoint-*"):
        # A checkpoint being written has a higher step than any complete one.
        if folder.parent.name <= mine and folder not in kept and _step(folder) <= newest_step:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk into a StorageError, and take away what was half-written: it is room for the next try.

    Args:
        folder: what is being written.

    Yields:
        Nothing.

    Raises:
        StorageError: there is no room.
    """
    try:
        yield
    except Exception as error:
        if not _says_full(error):
            raise
        size = (
            sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
        )
        shutil.rmtree(folder, ignore_errors=True)
        raise StorageError(
            f"{folder} cannot be written: no space left on the device (failed after {size / 2**20:.1f} MiB). "
            "Free some disk space, or set TUNESMITH_HOME elsewhere."
        ) from error


def _says_full(error: BaseException) -> bool:
    # torch and safetensors report a full disk as errors of their own; only the text tells them apart.
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    words = ("No space left", "os error 28", "failed writing file", "Disk quota exceeded", "unexpected pos")
    return any(word in str(error) for word in words)


def _complete(job_folder: Path) -> list[SavedState]:
    folders = job_folder.glob("attempt-*/checkpoint-*")
    states = [SavedState(folder, _step(folder)) for folder in folders if _is_complete(folder)]
    return sorted(states, key=lambda state: (state.step, str(state.path)))


def _is_complete(folder: Path) -> bool:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in marker["files"].items())
    except (OSError, ValueError):
        return False


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(MARKER))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
