"""The vector stores of a project, as the API shows them: what each holds, how far it is, when it ends."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from tunesmith.errors import NotFoundError
from tunesmith.stores.database import Database, DocumentRow, VectorStoreRow
from tunesmith.stores.documents import (
    GONE,
    STORE_PREFIX,
    expires_at,
    find_store_row,
    has_expired,
    new_store_row,
    to_store,
)
from tunesmith.stores.ordered_ids import born_at
from tunesmith.stores.paging import Order, Page, Place, read_rows, unknown_place
from tunesmith.stores.vectors import StoreRecord

StoreStatus = Literal["expired", "in_progress", "completed"]
_SECONDS_BETWEEN_TOUCHES = 60


@dataclass(frozen=True, slots=True)
class FileCounts:
    """How many documents are in which state."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.in_progress + self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class VectorStoreRecord:
    """One vector store.

    Attributes:
        store: what it is to a search.
        name: what its owner calls it; may be empty.
        description: what its owner says of it.
        created_at: Unix seconds.
        last_active_at: Unix seconds; the minute in which it was last searched or written.
        metadata: its owner's own.
        expires_after_days: days without a use after which it ends.
        expires_at: Unix seconds of that moment, as things stand.
        status: whether its documents are all dealt with, or it has ended.
        counts: its documents.
        usage_bytes: texts and vectors of them all.
    """

    store: StoreRecord
    name: str
    description: str | None
    created_at: int
    last_active_at: int
    metadata: Mapping[str, str]
    expires_after_days: int | None
    expires_at: int | None
    status: StoreStatus
    counts: FileCounts
    usage_bytes: int

    @property
    def id(self) -> str:
        """`vs_...`."""
        return self.store.id


@dataclass(frozen=True, slots=True)
class StoreChanges:
    """What to change of a store; None leaves it."""

    name: str | None = None
    metadata: Mapping[str, str] | None = None
    expires_after_days: int | None = None
    expires_never: bool = False


@dataclass(slots=True)
class _Held:
    counts: dict[str, int] = field(default_factory=dict)
    usage_bytes: int = 0


class VectorStores:
    """The vector stores of one project.

    Args:
        database: the metadata database.
        project_id: the project whose stores are seen.
    """

    def __init__(self, database: Database, project_id: str) -> None:
        self._database = database
        self._project_id = project_id

    def create(
        self,
        *,
        embedder: str,
        name: str = "",
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_after_days: int | None = None,
    ) -> VectorStoreRecord:
        """Make a store.

        Args:
            embedder: name of the embedder that will make its vectors.
            name: what its owner calls it; others may be called the same.
            description: what its owner says of it.
            metadata: its owner's own.
            expires_after_days: days without a use after which it ends; None keeps it.

        Returns:
            The store, empty.
        """
        row = new_store_row(self._project_id, embedder=embedder, label=name)
        row.description, row.about = description, dict(metadata or {})
        row.expires_after_days = expires_after_days
        with self._database.session() as session:
            session.add(row)
            session.flush()
            return self._records(session, [row])[0]

    def get(self, name: str) -> VectorStoreRecord:
        """Look a store up, also one that has expired.

        Args:
            name: its id, or its name where no other store has it.

        Returns:
            The store.

        Raises:
            NotFoundError: the project has none.
            ConfigError: several have the name.
        """
        with self._database.session() as session:
            return self._records(session, [self._row(session, name)])[0]

    def list(
        self, *, limit: int = 20, order: Order = "desc", after: str | None = None, before: str | None = None
    ) -> Page[VectorStoreRecord]:
        """List stores by the moment of their making.

        Args:
            limit: most stores on the page.
            order: `desc` has the newest first.
            after: id of the store that came last on the page before; it need not exist any more.
            before: id of the store that came first on the page behind.

        Returns:
            A page.

        Raises:
            ConfigError: `after` or `before` is no id of a store.
        """
        query = select(VectorStoreRow).filter_by(project_id=self._project_id, deleted_at=None)
        with self._database.session() as session:
            page = read_rows(
                session,
                query,
                place=(VectorStoreRow.created_at, VectorStoreRow.id),
                limit=limit,
                order=order,
                after=self._place(session, "after", after),
                before=self._place(session, "before", before),
            )
            return Page(self._records(session, page.items), page.has_more)

    def update(self, name: str, changes: StoreChanges) -> VectorStoreRecord:
        """Change a store.

        Args:
            name: its id or name.
            changes: what shall be other.

        Returns:
            The store as it is now.

        Raises:
            NotFoundError: the project has none.
        """
        with self._database.session() as session:
            row = self._row(session, name)
            if changes.name is not None:
                row.label = changes.name
            if changes.metadata is not None:
                row.about = dict(changes.metadata)
            if changes.expires_after_days is not None or changes.expires_never:
                row.expires_after_days = changes.expires_after_days
            row.last_active_at = int(time.time()) if not has_expired(row) else row.last_active_at
            session.flush()
            return self._records(session, [row])[0]

    def delete(self, name: str) -> str:
        """Delete a store: at once for everybody who looks; its vectors are taken away by the indexer.

        Args:
            name: its id or name.

        Returns:
            Its id.

        Raises:
            NotFoundError: the project has none.
        """
        with self._database.session() as session:
            row = self._row(session, name)
            # Its name is free from now on.
            row.deleted_at, row.name, row.label = int(time.time()), row.id, None
            return row.id

    def touch(self, stores: Iterable[StoreRecord]) -> None:
        """Note that stores are used; cheap, for it is noted once a minute.

        Args:
            stores: the stores.
        """
        now = int(time.time())
        stale = or_(
            VectorStoreRow.last_active_at.is_(None),
            VectorStoreRow.last_active_at <= now - _SECONDS_BETWEEN_TOUCHES,
        )
        mine = select(VectorStoreRow.id).where(
            VectorStoreRow.project_id == self._project_id,
            VectorStoreRow.id.in_([store.id for store in stores]),
            stale,
        )
        with self._database.session() as session:
            due = list(session.scalars(mine))
            if due:
                session.execute(
                    update(VectorStoreRow).where(VectorStoreRow.id.in_(due)).values(last_active_at=now)
                )

    def _row(self, session: Session, name: str) -> VectorStoreRow:
        row = find_store_row(session, self._project_id, name)
        if row is None:
            raise NotFoundError(
                f"No vector store found with id '{name}'. GET /v1/vector_stores lists those that there are.",
                param="vector_store_id",
                code="vector_store_not_found",
            )
        return row

    def _place(self, session: Session, param: str, id: str | None) -> Place | None:
        if id is None:
            return None
        row = session.scalar(select(VectorStoreRow).filter_by(project_id=self._project_id, id=id))
        created_at = row.created_at if row else born_at(id, STORE_PREFIX)
        if created_at is None:
            raise unknown_place(param, id)
        return created_at, id

    def _records(self, session: Session, rows: Sequence[VectorStoreRow]) -> Sequence[VectorStoreRecord]:
        held = _held(session, [row.id for row in rows])
        return [_to_record(row, held[row.id]) for row in rows]


def _held(session: Session, store_ids: Sequence[str]) -> Mapping[str, _Held]:
    query = (
        select(
            DocumentRow.store_id,
            DocumentRow.status,
            func.count(),
            func.coalesce(func.sum(DocumentRow.usage_bytes), 0),
        )
        .where(DocumentRow.store_id.in_(store_ids), DocumentRow.status.not_in(GONE))
        .group_by(DocumentRow.store_id, DocumentRow.status)
    )
    held: defaultdict[str, _Held] = defaultdict(_Held)
    for store_id, status, count, usage_bytes in session.execute(query):
        held[store_id].counts[status] = count
        held[store_id].usage_bytes += int(usage_bytes)
    return held


def _to_record(row: VectorStoreRow, held: _Held) -> VectorStoreRecord:
    expired = has_expired(row)
    counts = FileCounts() if expired else FileCounts(**held.counts)
    return VectorStoreRecord(
        store=to_store(row),
        name=row.name if row.label is None else row.label,
        description=row.description,
        created_at=row.created_at,
        last_active_at=row.last_active_at or row.created_at,
        metadata=row.about or {},
        expires_after_days=row.expires_after_days,
        expires_at=expires_at(row),
        status="expired" if expired else "in_progress" if counts.in_progress else "completed",
        counts=counts,
        usage_bytes=0 if expired else held.usage_bytes,
    )
