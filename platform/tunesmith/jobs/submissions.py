"""Programs that `ray job submit` sent to a release: kept by the gateway, run by the controller, each as a RayJob.

    PENDING --> RUNNING --> SUCCEEDED
                        `-> FAILED | STOPPED

The states are Ray's own. The controller says what is, the gateway what is wanted; what has ended stays as it is.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from tunesmith.errors import ConflictError
from tunesmith.stores.database import Database, SubmissionRow

State = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"]
"""As `ray job status` says it."""
Wanted = Literal["ended", "stopped", "deleted"]
"""What shall become of it: its own end, a stop, or that nothing of it is left."""
ENDED: frozenset[str] = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
"""States that last."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One program.

    Attributes:
        id: its project's id, a dot, and its name.
        project_id: whose it is.
        entrypoint: the command, as a shell reads it.
        runtime_env: Ray's runtime environment, as its client sent it.
        metadata: what is noted with it.
        resources: what the workers of its cluster are: `num_workers`, `cpus_per_worker`, `gpus_per_worker`.
        driver: what Ray shall reserve for the command itself: `num_cpus`, `num_gpus`, `resources`.
        folder: where it may write, and its log lies: a key's prefix in the object store.
        wanted: what shall become of it.
        state: what was last seen of it.
        message: one line about that.
        created_ms: when it came, Unix milliseconds.
        ended_ms: when it was seen to have ended; None before.
    """

    id: str
    project_id: str
    entrypoint: str
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    driver: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""
    wanted: Wanted = "ended"
    state: State = "PENDING"
    message: str = "Waits for the controller."
    created_ms: int = 0
    ended_ms: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether its state lasts."""
        return self.state in ENDED

    @property
    def log_key(self) -> str:
        """Key of what its driver printed."""
        return f"{self.folder}/driver.log"


def package_key(project_id: str, name: str) -> str:
    """Where a working directory lies in the object store.

    Args:
        project_id: whose it is.
        name: as Ray's client names it, after its content.

    Returns:
        Its key.
    """
    return f"projects/{project_id}/packages/{name}"


class SubmissionStore:
    """The submissions of all projects.

    Args:
        database: the metadata database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, submission: Submission) -> Submission:
        """Take a submission in; it gets its folder and its time.

        Args:
            submission: what was sent.

        Returns:
            It, as it is kept.

        Raises:
            ConflictError: its id is taken.
        """
        # Not the id: the folder of one that was deleted must not become another's.
        folder = f"projects/{submission.project_id}/submissions/{secrets.token_hex(8)}"
        row = SubmissionRow(
            id=submission.id,
            project_id=submission.project_id,
            entrypoint=submission.entrypoint,
            runtime_env=dict(submission.runtime_env),
            noted=dict(submission.metadata),
            resources=dict(submission.resources),
            driver=dict(submission.driver),
            folder=folder,
            wanted=submission.wanted,
            state=submission.state,
            message=submission.message,
            created_ms=_now_ms(),
            ended_ms=None,
        )
        try:
            with self._database.session() as session:
                session.add(row)
                session.flush()
                return _to_submission(row)
        except IntegrityError:
            raise ConflictError(
                f"A job with the submission id {submission.id} exists. Leave --submission-id out, or choose another.",
                param="submission_id",
            ) from None

    def of_project(self, project_id: str) -> Sequence[Submission]:
        """List the submissions of a project.

        Args:
            project_id: the project.

        Returns:
            Those that nobody deleted, the newest first.
        """
        query = (
            select(SubmissionRow).filter_by(project_id=project_id).where(SubmissionRow.wanted != "deleted")
        )
        with self._database.session() as session:
            rows = session.scalars(query.order_by(SubmissionRow.created_ms.desc(), SubmissionRow.id))
            return [_to_submission(row) for row in rows]

    def find(self, submission_id: str) -> Submission | None:
        """Read one.

        Args:
            submission_id: its id.

        Returns:
            It; None where there is none.
        """
        with self._database.session() as session:
            row = session.get(SubmissionRow, submission_id)
            return _to_submission(row) if row is not None else None

    def unsettled(self) -> Sequence[Submission]:
        """List what there is something to do about.

        Returns:
            Those of all projects that have not ended, or shall be deleted; the oldest first.
        """
        query = select(SubmissionRow).where(
            or_(SubmissionRow.state.not_in(ENDED), SubmissionRow.wanted == "deleted")
        )
        with self._database.session() as session:
            return [_to_submission(row) for row in session.scalars(query.order_by(SubmissionRow.created_ms))]

    def want(self, submission_id: str, wanted: Wanted) -> bool:
        """Say what shall become of one: a stop of what runs, a deletion of what has ended.

        Args:
            submission_id: its id.
            wanted: `stopped` or `deleted`.

        Returns:
            Whether it was in a state for that.
        """
        ended = SubmissionRow.state.in_(ENDED)
        change = update(SubmissionRow).where(
            SubmissionRow.id == submission_id, ended if wanted == "deleted" else ~ended
        )
        with self._database.session() as session:
            return bool(session.execute(change.values(wanted=wanted)).rowcount)  # type: ignore[attr-defined]

    def observe(self, submission_id: str, state: State, message: str) -> None:
        """Note what was seen of one that has not ended.

        Args:
            submission_id: its id.
            state: its state.
            message: one line about that.
        """
        seen: dict[str, Any] = {"state": state, "message": message}
        if state in ENDED:
            seen["ended_ms"] = _now_ms()
        change = update(SubmissionRow).where(
            SubmissionRow.id == submission_id, SubmissionRow.state.not_in(ENDED)
        )
        with self._database.session() as session:
            session.execute(change.values(**seen))

    def remove(self, submission_id: str) -> None:
        """Forget one.

        Args:
            submission_id: its id.
        """
        with self._database.session() as session:
            session.execute(delete(SubmissionRow).where(SubmissionRow.id == submission_id))


def _now_ms() -> int:
    return int(time.time() * 1000)


def _to_submission(row: SubmissionRow) -> Submission:
    return Submission(
        id=row.id,
        project_id=row.project_id,
        entrypoint=row.entrypoint,
        runtime_env=row.runtime_env,
        metadata=row.noted,
        resources=row.resources,
        driver=row.driver,
        folder=row.folder,
        wanted=row.wanted,  # type: ignore[arg-type]  # a column is a string
        state=row.state,  # type: ignore[arg-type]
        message=row.message,
        created_ms=row.created_ms,
        ended_ms=row.ended_ms,
    )
