"""What was used: requests and tokens by project, key, model and hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from tunesmith.stores.database import Database, UsageRow

HOUR = 3600
UsageKind = Literal["completions", "embeddings"]
GroupBy = Literal["project_id", "user_id", "api_key_id", "model"]
_COLUMNS = {
    "project_id": UsageRow.project_id,
    "user_id": UsageRow.principal_id,
    "api_key_id": UsageRow.key_id,
    "model": UsageRow.model,
}


@dataclass(frozen=True, slots=True)
class UsedBy:
    """Whose usage, of what, when.

    Attributes:
        project_id: the project.
        key_id: the key.
        principal_id: the key's principal.
        model: what answered, as it is registered.
        kind: embeddings, or everything else.
        hour: Unix seconds at which the hour began.
    """

    project_id: str
    key_id: str
    principal_id: str
    model: str
    kind: UsageKind
    hour: int


@dataclass(slots=True)
class Used:
    """Counts.

    Attributes:
        requests: answered requests.
        input_tokens: tokens read.
        output_tokens: tokens written.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One line of a report.

    Attributes:
        start: Unix seconds at which its time begins.
        group: the value of each column that was grouped by.
        used: what was used.
    """

    start: int
    group: Mapping[str, str]
    used: Used


class UsageStore:
    """The usage of all projects.

    Args:
        database: the metadata database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, counted: Mapping[UsedBy, Used]) -> None:
        """Add counts, all of them or none.

        Args:
            counted: what was used since the last call.
        """
        with self._database.session() as session:
            insert: Any = (
                postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
            )
            # In one order, so that two gateways never wait for each other.
            for by, used in sorted(
                counted.items(), key=lambda pair: (pair[0].project_id, pair[0].key_id, pair[0].model)
            ):
                new = insert(UsageRow).values(
                    project_id=by.project_id,
                    key_id=by.key_id,
                    principal_id=by.principal_id,
                    model=by.model,
                    kind=by.kind,
                    hour=by.hour,
                    requests=used.requests,
                    input_tokens=used.input_tokens,
                    output_tokens=used.output_tokens,
                )
                session.execute(
                    new.on_conflict_do_update(
                        index_elements=["project_id", "key_id", "model", "kind", "hour"],
                        set_={
                            "requests": UsageRow.requests + new.excluded.requests,
                            "input_tokens": UsageRow.input_tokens + new.excluded.input_tokens,
                            "output_tokens": UsageRow.output_tokens + new.excluded.output_tokens,
                        },
                    )
                )

    def report(
        self,
        *,
        start: int,
        end: int,
        kind: UsageKind | None = None,
        width: int = 24 * HOUR,
        group_by: Sequence[GroupBy] = (),
        only: Mapping[GroupBy, Sequence[str] | None] | None = None,
    ) -> list[UsageLine]:
        """Sum up.

        Args:
            start: Unix seconds; hours that began before are left out.
            end: Unix seconds; hours that begin then or later are left out.
            kind: embeddings or completions; both, if unset.
            width: seconds of one line, whole hours; counted from `start`.
            group_by: a line for each value of these.
            only: the values that count, where not all do; none do where they are empty.

        Returns:
            Lines with something in them, oldest first.
        """
        slot = func.floor((UsageRow.hour - start) * 1.0 / width)
        columns = [_COLUMNS[name].label(name) for name in group_by]
        query = (
            select(
                slot.label("slot"),
                *columns,
                func.sum(UsageRow.requests),
                func.sum(UsageRow.input_tokens),
                func.sum(UsageRow.output_tokens),
            )
            .where(UsageRow.hour >= start, UsageRow.hour < end)
            .group_by("slot", *columns)
            .order_by("slot", *columns)
        )
        if kind:
            query = query.where(UsageRow.kind == kind)
        for name, values in (only or {}).items():
            if values is not None:
                query = query.where(_COLUMNS[name].in_(values))
        with self._database.session() as session:
            lines = []
            for slot_number, *rest in session.execute(query):
                group = dict(zip(group_by, rest[: len(group_by)], strict=True))
                used = Used(*(int(count) for count in rest[len(group_by) :]))
                lines.append(UsageLine(start + int(slot_number) * width, group, used))
            return lines
