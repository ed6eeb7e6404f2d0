"""Checkpoints: the complete state of a run, or nothing.

    attempt-0001/checkpoint-50/     weights, ZeRO shards of the optimizer, scheduler, RNG of each rank, data position
    attempt-0001/checkpoint-50/COMPLETE.json     written last, after every rank's files are on disk

A folder without its marker is a run that was killed while it saved; it is never resumed from. The marker
lists the files and their sizes, so that a truncated copy is not taken for a whole one.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

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
    os.replace(partial, folder / MARKER)
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


def prune(job_folder: Path, *, num_kept: int) -> None:
    """Remove all complete checkpoints but the newest, and what killed attempts left half-written.

    Args:
        job_folder: the job's folder.
        num_kept: complete checkpoints that stay.
    """
    found = _complete(job_folder)
    kept = {state.path for state in found[-num_kept:]}
    newest_step = found[-1].step if found else 0
    for folder in job_folder.glob("attempt-*/checkpoint-*"):
        # A checkpoint being written has a higher step than any complete one.
        if folder not in kept and _step(folder) <= newest_step:
            shutil.rmtree(folder, ignore_errors=True)


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
