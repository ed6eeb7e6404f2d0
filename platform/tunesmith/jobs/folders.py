"""Where the files of a job lie in the object store.

projects/<project>/jobs/<job id>/
    prepared/<hash>/    its rows, packed
    data/<file id>      what the job was given: its own, whatever becomes of the uploaded file
    attempt-0001/       events.jsonl, worker-0.log, checkpoint-50/, adapter-at-50/, export/
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.errors import StorageError
from tunesmith.records import Job

PROOF = "proof.json"
"""File in the export with what the engine must say too."""
WRITES_PROOF = "TUNESMITH_WRITES_PROOF"
"""Variable that has `tunesmith train` write that file: whoever takes the version in will ask an engine for it."""
DATA = "data"
"""Folder of the files that a job was given."""
PREPARED = "prepared"
"""Folder of its rows, packed."""
ADAPTER = "adapter"
"""The trained adapter, in an attempt's folder, where it is to be merged into its base."""
ADAPTER_AT = "adapter-at-"
"""Folder in the attempt's folder with the adapter of a checkpoint; the step follows."""
EXPORT = "export"
"""Folder in the attempt's folder where the workers leave the trained weights."""


def job_folder(home: Home, job: Job) -> Path:
    """Folder of a job, all attempts.

    Args:
        home: the installation.
        job: the job.

    Returns:
        Its path.
    """
    return home.objects / "projects" / job.project_id / "jobs" / job.id


def data_key(job: Job, file_id: str) -> str:
    """Where a job keeps one of its files.

    Args:
        job: the job.
        file_id: the uploaded file.

    Returns:
        Path below the home's `objects/`.
    """
    return f"projects/{job.project_id}/jobs/{job.id}/{DATA}/{file_id}"


def keep_file(source: Path, target: Path) -> None:
    """Give a job a file of its own: a second name of the same bytes where the file system can, else a copy.

    Args:
        source: the file; nobody changes it, but it may be deleted at any time.
        target: where it shall lie; complete or absent, again changes nothing.

    Raises:
        StorageError: it cannot be written.
    """
    if target.exists():
        return
    draft = target.with_name(f"{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        _link_or_copy(source, draft)
        draft.replace(target)
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written: {error.strerror}. Free some disk space, or set TUNESMITH_HOME elsewhere."
        ) from error


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        # Another file system, one without links, or a file that is not ours to link.
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES):
            raise
        shutil.copyfile(source, target)


def attempt_folder(folder: Path, fence: int) -> Path:
    """Folder of one attempt.

    Args:
        folder: the job's folder.
        fence: the attempt's number.

    Returns:
        Its path.
    """
    return folder / f"attempt-{fence:04d}"


def lock_folder(home: Home) -> Path:
    """Where the drivers of runs hold their names.

    Args:
        home: the installation.

    Returns:
        The folder of the lock files.
    """
    return home.run / "jobs"


def worker_logs(folder: Path) -> list[Path]:
    """What the workers of an attempt printed.

    Args:
        folder: the attempt's folder.

    Returns:
        One file a rank, in order.
    """
    return sorted(folder.glob("worker-*.log"), key=lambda path: int(path.stem.rpartition("-")[2]))
