"""Pages of rows that are listed by the moment of their making."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from tunesmith.errors import ConfigError

Row = TypeVar("Row")
Place = tuple[int, str]
"""Where a row stands in its list: when it was made, and its id."""
Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some things in order, and whether there are more in the direction that was asked for."""

    items: Sequence[Row]
    has_more: bool


def read_rows(
    session: Session,
    query: Select[Row],
    *,
    place: tuple[InstrumentedAttribute[int], InstrumentedAttribute[str]],
    limit: int,
    order: Order = "desc",
    after: Place | None = None,
    before: Place | None = None,
) -> Page[Row]:
    """Read one page.

    Args:
        session: a transaction.
        query: all rows of the list.
        place: the columns that say where a row stands.
        limit: most rows on the page.
        order: `desc` has the newest first.
        after: the page begins behind this place.
        before: the page ends in front of this place; alone, it holds the rows right in front of it.

    Returns:
        The page.
    """
    stands: Any = tuple_(*place)
    rising = order == "asc"
    if after is not None:
        query = query.where(stands > after if rising else stands < after)
    if before is not None:
        query = query.where(stands < before if rising else stands > before)
    backwards = before is not None and after is None
    ascending = rising != backwards
    by = [column.asc() if ascending else column.desc() for column in place]
    rows = list(session.scalars(query.order_by(*by).limit(limit + 1)))
    shown = rows[:limit]
    return Page(shown[::-1] if backwards else shown, has_more=len(rows) > limit)


def unknown_place(param: str, id: str) -> ConfigError:
    """The error for a cursor that is nowhere in its list.

    Args:
        param: `after` or `before`.
        id: the cursor.

    Returns:
        The error.
    """
    end = "last_id" if param == "after" else "first_id"
    return ConfigError(
        f"Invalid value for '{param}': '{id}' is nothing of this list. Send the `{end}` of a page of it.",
        param=param,
        code="invalid_value",
    )
