"""Which bases are in memory, and when each was last asked for: gateways ask, the controller answers.

    no row | asleep  --asked for-->  wanted  --there is room-->  starting  -->  ready | failed
    wanted | starting | ready | failed  --nobody asks-->  asleep

A base goes to sleep only if nobody has asked for it since the controller looked: the change names the time that it
saw. Gateways ask again every few seconds while they have requests for a base, so none is put to sleep under them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import case, delete, select, update
from sqlalchemy.exc import IntegrityError

from tunesmith.stores.database import Database, ServedBaseRow

State = Literal["asleep", "wanted", "starting", "ready", "failed"]
AWAKE: frozenset[State] = frozenset({"starting", "ready", "failed"})
"""What holds memory, or tries to."""


@dataclass(frozen=True, slots=True)
class BaseState:
    """One base at one moment.

    Attributes:
        model: its name: a configured base's, or that of a version that is a whole model.
        state: where it is between disk and memory.
        asked_at: when it was last asked for, or came into memory if that was later; Unix seconds.
    """

    model: str
    state: State
    asked_at: float


class BaseStates:
    """The bases of one platform.

    Args:
        database: the metadata database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, model: str) -> BaseState:
        """Say that a base is being used, or shall be; wakes one that sleeps.

        Args:
            model: its name.

        Returns:
            Where it is now.
        """
        values = {
            "asked_at": time.time(),
            "state": case((ServedBaseRow.state == "asleep", "wanted"), else_=ServedBaseRow.state),
        }
        with self._database.session() as session:
            session.execute(update(ServedBaseRow).filter_by(model=model).values(values))
            row = session.get(ServedBaseRow, model)
            if row is not None:
                return _to_state(row)
        self._insert(model, "wanted")
        return self.ask(model)

    def ensure(self, model: str, state: State) -> None:
        """Give a base a row where it has none.

        Args:
            model: its name.
            state: what it is then.
        """
        with self._database.session() as session:
            there = session.get(ServedBaseRow, model) is not None
        if not there:
            self._insert(model, state)

    def all(self) -> list[BaseState]:
        """All bases that were ever asked for, or are configured; by name."""
        with self._database.session() as session:
            return [
                _to_state(row) for row in session.scalars(select(ServedBaseRow).order_by(ServedBaseRow.model))
            ]

    def tell(self, model: str, state: State) -> None:
        """Note how far a base is; one that was put to sleep meanwhile stays asleep.

        One that is ready counts as asked for: it is idle from now on, however long its start has taken, and who was
        told to come back for it finds it.

        Args:
            model: its name.
            state: where it is.
        """
        awake = update(ServedBaseRow).filter_by(model=model).where(ServedBaseRow.state != "asleep")
        values: dict[str, Any] = {"state": state}
        if state == "ready":
            values["asked_at"] = time.time()
        with self._database.session() as session:
            session.execute(awake.values(values))

    def let_sleep(self, base: BaseState) -> bool:
        """Put a base to sleep, unless it was asked for since.

        Args:
            base: as it was seen.

        Returns:
            Whether it sleeps.
        """
        unasked = update(ServedBaseRow).filter_by(model=base.model, asked_at=base.asked_at)
        with self._database.session() as session:
            slept = session.execute(unasked.values(state="asleep").returning(ServedBaseRow.model))
            return slept.first() is not None

    def forget(self, model: str) -> None:
        """Take a base's row away.

        Args:
            model: its name.
        """
        with self._database.session() as session:
            session.execute(delete(ServedBaseRow).filter_by(model=model))

    def _insert(self, model: str, state: State) -> None:
        row = ServedBaseRow(model=model, project_id=_project_of(model), state=state, asked_at=time.time())
        try:
            with self._database.session() as session:
                session.add(row)
        except IntegrityError:
            return  # another process was faster


def _project_of(model: str) -> str:
    """Whose it is: a version's name says so, and a configured base is everybody's."""
    parts = model.split(":")
    return parts[2] if parts[0] == "ft" and len(parts) == 5 else ""


def _to_state(row: ServedBaseRow) -> BaseState:
    state: State = row.state if row.state in get_args(State) else "asleep"  # type: ignore[assignment]
    return BaseState(row.model, state, row.asked_at)
