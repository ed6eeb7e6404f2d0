"""Programs that `ray job submit` sent to a release: kept by the gateway, run by the controller, each as a RayJob.

    PENDING --> RUNNING --> SUCCEEDED
                        `-> FAILED | STOPPED

The states are Ray's own. The controller says what is, the gateway what is wanted; what has ended stays as it is. A
controller looks at a submission only while it holds it: what another one saw before must not be written after.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tunesmith.errors import ConflictError, LimitError
from tunesmith.stores.database import Database, SubmissionRow, lock_name

State = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"]
"""As `ray job status` says it."""
Wanted = Literal["ended", "stopped", "deleted"]
"""What shall become of it: its own end, a stop, or that nothing of it is left."""
GCS = "gcs://"
"""What Ray's client names a package with that it has uploaded."""
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
        folder: where it may write, below the volume that pods share.
        namespace: where its RayJob lies, or will; None before a controller has chosen.
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
    namespace: str | None = None
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
        """Key of what its driver printed: outside of what its program can write, or it could put a link there."""
        return f"submissions/logs/{self.folder.rpartition('/')[2]}"


def package_key(project_id: str, name: str) -> str:
    """Where a working directory lies in the object store, which no program can write either.

    Args:
        project_id: whose it is.
        name: as Ray's client names it, after its content.

    Returns:
        Its key.
    """
    return f"submissions/packages/{project_id}/{name}"


def packages_of(runtime_env: Mapping[str, Any]) -> set[str]:
    """Find the uploaded packages that a runtime environment names.

    Args:
        runtime_env: Ray's runtime environment.

    Returns:
        Their names.
    """
    named = [runtime_env.get("working_dir"), *(runtime_env.get("py_modules") or ())]
    return {uri.removeprefix(GCS) for uri in named if isinstance(uri, str) and uri.startswith(GCS)}


class SubmissionStore:
    """The submissions of all projects.

    Args:
        database: the metadata database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, submission: Submission, *, max_active: int) -> Submission:
        """Take a submission in; it gets its folder and its time.

        Args:
            submission: what was sent.
            max_active: most submissions of the project that may not have ended, with this one.

        Returns:
            It, as it is kept.

        Raises:
            ConflictError: its id is taken.
            LimitError: the project has that many already.
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
            tidied=False,
        )
        try:
            with self._database.session() as session:
                _require_room(session, submission.project_id, max_active)
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

    def unsettled(self) -> Sequence[str]:
        """List what there is something to do about.

        Returns:
            Ids of those of all projects that have not ended, or shall be deleted; the oldest first.
        """
        query = select(SubmissionRow.id).where(
            or_(SubmissionRow.state.not_in(ENDED), SubmissionRow.wanted == "deleted")
        )
        with self._database.session() as session:
            return list(session.scalars(query.order_by(SubmissionRow.created_ms)))

    def untidied(self, *, ended_before_ms: int) -> Sequence[str]:
        """List what has ended long ago and still has something in the cluster or the object store.

        Args:
            ended_before_ms: Unix milliseconds.

        Returns:
            Their ids.
        """
        query = select(SubmissionRow.id).where(
            SubmissionRow.ended_ms < ended_before_ms,
            SubmissionRow.state.in_(ENDED),
            SubmissionRow.tidied.is_(False),
        )
        with self._database.session() as session:
            return list(session.scalars(query))

    def hold(self, submission_id: str, *, owner: str, seconds: float) -> Submission | None:
        """Take one for oneself, or keep it.

        Args:
            submission_id: its id.
            owner: who asks.
            seconds: how long nobody else gets it.

        Returns:
            It, as it is now; None where it is gone, or another one's.
        """
        now = time.time()
        mine = or_(
            SubmissionRow.held_by.is_(None), SubmissionRow.held_by == owner, SubmissionRow.held_until < now
        )
        change = update(SubmissionRow).where(SubmissionRow.id == submission_id, mine)
        with self._database.session() as session:
            taken = session.execute(change.values(held_by=owner, held_until=now + seconds))
            if not taken.rowcount:  # type: ignore[attr-defined]
                return None
            row = session.get(SubmissionRow, submission_id)
            return _to_submission(row) if row is not None else None

    def place(self, submission_id: str, namespace: str) -> None:
        """Note where the RayJob will lie, before it is made: settings may say another place later.

        Args:
            submission_id: its id.
            namespace: the namespace.
        """
        self._change(submission_id, namespace=namespace)

    def note_tidied(self, submission_id: str) -> None:
        """Note that nothing of one is left in the cluster.

        Args:
            submission_id: its id.
        """
        self._change(submission_id, tidied=True)

    def names_package(self, project_id: str, name: str) -> bool:
        """Whether a submission that is not tidied yet names a package.

        Args:
            project_id: whose it is.
            name: of the package.

        Returns:
            True where one does.
        """
        query = select(SubmissionRow.runtime_env).filter_by(project_id=project_id, tidied=False)
        with self._database.session() as session:
            return any(name in packages_of(runtime_env) for runtime_env in session.scalars(query))

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
        now = _now_ms()
        seen: dict[str, Any] = {"state": state, "message": message}
        if state in ENDED:
            seen["ended_ms"] = func.coalesce(SubmissionRow.ended_ms, now)
        if state == "RUNNING":
            seen["started_ms"] = func.coalesce(SubmissionRow.started_ms, now)
        change = update(SubmissionRow).where(
            SubmissionRow.id == submission_id, SubmissionRow.state.not_in(ENDED)
        )
        with self._database.session() as session:
            session.execute(change.values(**seen))

    def note_run(self, submission_id: str, started_ms: int | None, ended_ms: int | None) -> None:
        """Note when the command ran, before its end is known to whoever asks: what it held, it held until then.

        Args:
            submission_id: its id.
            started_ms: when it began, Unix milliseconds; None where nobody says.
            ended_ms: when it ended; None where nobody says: now.
        """
        now = _now_ms()
        self._change(
            submission_id,
            started_ms=func.coalesce(SubmissionRow.started_ms, started_ms, now),
            ended_ms=func.coalesce(SubmissionRow.ended_ms, ended_ms, now),
        )

    def remove(self, submission_id: str) -> None:
        """Forget one.

        Args:
            submission_id: its id.
        """
        with self._database.session() as session:
            session.execute(delete(SubmissionRow).where(SubmissionRow.id == submission_id))

    def _change(self, submission_id: str, **values: Any) -> None:
        with self._database.session() as session:
            session.execute(update(SubmissionRow).where(SubmissionRow.id == submission_id).values(**values))


def _require_room(session: Session, project_id: str, max_active: int) -> None:
    lock_name(session, f"submissions of {project_id}")  # or those that come together would all find room
    query = select(func.count()).select_from(SubmissionRow).filter_by(project_id=project_id)
    if (session.scalar(query.where(SubmissionRow.state.not_in(ENDED))) or 0) >= max_active:
        raise LimitError(
            f"{max_active} submissions of this project have not ended, which is as many as there may be "
            "(jobs.max_active_per_project). Wait for one, or stop one: `ray job stop ID`.",
            code="too_many_active_jobs",
        )


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
        namespace=row.namespace,
        wanted=row.wanted,  # type: ignore[arg-type]  # a column is a string
        state=row.state,  # type: ignore[arg-type]
        message=row.message,
        created_ms=row.created_ms,
        ended_ms=row.ended_ms,
    )
