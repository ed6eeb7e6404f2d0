"""Stored responses: what was asked, what was answered, and the conversation that it stands in.

A response keeps its own items alone and names the one before it, so that a long conversation is kept once:

    resp_1   input, output
    resp_2   previous resp_1, input, output
    conversation(resp_2)  =  both, in this order
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tunesmith.errors import NotFoundError
from tunesmith.stores.database import Database, ResponseItemRow, ResponseRow


class ResponseStore:
    """The responses of one project.

    Args:
        database: the metadata database.
        project_id: the project whose responses are seen.
    """

    def __init__(self, database: Database, project_id: str) -> None:
        self._database = database
        self._project_id = project_id

    def save(self, response: Mapping[str, Any], *, asked: Sequence[Mapping[str, Any]]) -> None:
        """Keep a response.

        Args:
            response: the response object of the API, with its output.
            asked: the items that were put in by this request alone; each has an id, as those of the output do.
        """
        body = {name: value for name, value in response.items() if name != "output"}
        with self._database.session() as session:
            session.add(
                ResponseRow(
                    id=response["id"],
                    project_id=self._project_id,
                    previous_id=response["previous_response_id"],
                    created_at=response["created_at"],
                    body=body,
                )
            )
            session.flush()
            for number, item in enumerate((*asked, *response["output"])):
                session.add(self._item_row(response["id"], number, item, is_output=number >= len(asked)))

    def response(self, response_id: str) -> dict[str, Any]:
        """Look a response up.

        Args:
            response_id: `resp_...`.

        Returns:
            The response object as it was saved.

        Raises:
            NotFoundError: the project has none of this id.
        """
        with self._database.session() as session:
            row = self._row(session, response_id)
            return row.body | {"output": _items(session, response_id, is_output=True)}

    def delete(self, response_id: str) -> None:
        """Forget a response and its items; conversations that went on from it end here.

        Args:
            response_id: `resp_...`.

        Raises:
            NotFoundError: the project has none of this id.
        """
        with self._database.session() as session:
            row = self._row(session, response_id)
            session.execute(delete(ResponseItemRow).filter_by(response_id=response_id))
            session.delete(row)

    def asked(self, response_id: str) -> list[dict[str, Any]]:
        """Everything that a response was made from.

        Args:
            response_id: `resp_...`.

        Returns:
            The items of the turns before it, as far as they are still kept, then those of its own request.

        Raises:
            NotFoundError: the project has none of this id.
        """
        with self._database.session() as session:
            row = self._row(session, response_id)
            earlier = self._turns(session, row.previous_id)
            return [*earlier, *_items(session, response_id, is_output=False)]

    def conversation(self, response_id: str) -> list[dict[str, Any]]:
        """A conversation up to and with a response.

        Args:
            response_id: `resp_...`.

        Returns:
            All items, oldest first.

        Raises:
            NotFoundError: the project has none of this id, or one before it was deleted.
        """
        with self._database.session() as session:
            self._row(session, response_id)
            return self._turns(session, response_id, whole=True)

    def item(self, item_id: str) -> dict[str, Any] | None:
        """Look up one item, of whichever response.

        Args:
            item_id: its id.

        Returns:
            The item, or None.
        """
        query = select(ResponseItemRow).filter_by(project_id=self._project_id, item_id=item_id)
        with self._database.session() as session:
            # What came out of a response may have been put into others, under the same id.
            row = session.scalar(query.order_by(ResponseItemRow.is_output.desc()).limit(1))
            return row.item if row else None

    def _turns(
        self, session: Session, response_id: str | None, *, whole: bool = False
    ) -> list[dict[str, Any]]:
        turns = list[list[dict[str, Any]]]()
        while response_id is not None:
            row = session.get(ResponseRow, response_id)
            if row is None and not whole:
                break
            row = self._row(session, response_id)
            turns.append(_items(session, response_id))
            response_id = row.previous_id
        return [item for turn in reversed(turns) for item in turn]

    def _row(self, session: Session, response_id: str) -> ResponseRow:
        row = session.get(ResponseRow, response_id)
        if row is None or row.project_id != self._project_id:
            raise NotFoundError(f"Response with id '{response_id}' not found.", param="response_id")
        return row

    def _item_row(
        self, response_id: str, number: int, item: Mapping[str, Any], *, is_output: bool
    ) -> ResponseItemRow:
        return ResponseItemRow(
            response_id=response_id,
            number=number,
            project_id=self._project_id,
            item_id=item["id"],
            is_output=is_output,
            item=dict(item),
        )


def _items(session: Session, response_id: str, *, is_output: bool | None = None) -> list[dict[str, Any]]:
    query = select(ResponseItemRow).filter_by(response_id=response_id).order_by(ResponseItemRow.number)
    if is_output is not None:
        query = query.filter_by(is_output=is_output)
    return [row.item for row in session.scalars(query)]
