"""What a job leaves on the disk when it has ended: its story stays, what only its run needed goes.

    stays   events.jsonl, worker-0.log, driver.log, order.json of each attempt; the loss curve; the version's own folder
    goes    data/, prepared/, checkpoints with their optimizers, the export and the adapters of named checkpoints
            (copies of them are the versions)

Runs of the command line are left alone: under their name they may be gone on with.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from sqlalchemy import select, update

from tunesmith.config.home import Home
from tunesmith.errors import StorageError
from tunesmith.jobs.folders import ADAPTER_AT, DATA, EXPORT, PREPARED, job_folder
from tunesmith.jobs.rows import to_job
from tunesmith.records import FINAL_STATES
from tunesmith.stores.database import Database, JobRow

_MOST_AT_ONCE = 100
_NO_LONGER_NEEDED = (
    DATA,
    PREPARED,
    "attempt-*/checkpoint-*",
    f"attempt-*/{ADAPTER_AT}*",
    f"attempt-*/{EXPORT}",
)


def tidy_ended_jobs(database: Database, home: Home, *, after_seconds: float) -> int:
    """Take away what ended jobs need no longer. Cheap when there is nothing to do; several may do so at once.

    Args:
        database: the metadata database.
        home: the installation.
        after_seconds: how long it is kept after a job's end, for whoever looks for the cause of a failure.

    Returns:
        How many jobs there were; at most 100 at a time.

    Raises:
        StorageError: database or folder cannot be written.
    """
    ended = select(JobRow).where(
        JobRow.request.is_not(None),
        JobRow.state.in_(FINAL_STATES),
        JobRow.tidied_at.is_(None),
        JobRow.finished_at <= int(time.time() - after_seconds),
    )
    with database.session() as session:
        jobs = [to_job(row) for row in session.scalars(ended.limit(_MOST_AT_ONCE))]
    for job in jobs:
        _tidy(job_folder(home, job))
        with database.session() as session:
            done = update(JobRow).where(JobRow.id == job.id).values(tidied_at=int(time.time()))
            session.execute(done.execution_options(synchronize_session=False))
    return len(jobs)


def _tidy(folder: Path) -> None:
    try:
        for pattern in _NO_LONGER_NEEDED:
            for found in folder.glob(pattern):
                shutil.rmtree(found)
    except FileNotFoundError:
        return  # another housekeeper is at it
    except OSError as error:
        raise StorageError(f"{folder} cannot be tidied: {error.strerror}. Check its permissions.") from error
