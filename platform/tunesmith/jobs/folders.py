"""Where the files of a job lie in the object store.

projects/<project>/jobs/<job id>/attempt-0001/   events.jsonl, worker-0.log, checkpoint-50/, export/
"""

from __future__ import annotations

from pathlib import Path

from tunesmith.config.home import Home
from tunesmith.records import Job

PROOF = "proof.json"
"""File in the export with what the engine must say too."""
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
