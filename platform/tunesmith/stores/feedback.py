"""Answers that were kept, and what was said of them: the way back from serving to training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select

from tunesmith.errors import NotFoundError
from tunesmith.records import Message
from tunesmith.stores.database import Database, FeedbackRow, InteractionRow
from tunesmith.stores.ordered_ids import new_id

Rating = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One answer.

    Attributes:
        id: that of the answer, as its client has it.
        created_at: Unix seconds.
        asked: the name that was asked: an alias, a version or the base.
        answered_by: what stood behind it.
        messages: the prompt as the model saw it, sources included.
        answer: what it said.
    """

    id: str
    created_at: int
    asked: str
    answered_by: str
    messages: tuple[Message, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody said of an answer; see `Interaction`."""

    id: str
    interaction_id: str
    created_at: int
    rating: Rating
    correction: str | None
    comment: str | None


class FeedbackStore:
    """Interactions and feedback of one project.

    Args:
        database: the metadata database.
        project_id: the project.
    """

    def __init__(self, database: Database, project_id: str) -> None:
        self._database = database
        self._project_id = project_id

    def keep(self, interaction: Interaction) -> None:
        """Keep an answer; one that is kept already stays as it is.

        Args:
            interaction: the answer.
        """
        with self._database.session() as session:
            if session.get(InteractionRow, (self._project_id, interaction.id)) is None:
                session.add(
                    InteractionRow(
                        project_id=self._project_id,
                        id=interaction.id,
                        created_at=interaction.created_at,
                        asked=interaction.asked,
                        answered_by=interaction.answered_by,
                        messages=[
                            {"role": turn.role, "content": turn.content} for turn in interaction.messages
                        ],
                        answer=interaction.answer,
                    )
                )

    def give(
        self,
        interaction_id: str,
        rating: Rating,
        *,
        correction: str | None = None,
        comment: str | None = None,
        key_id: str,
    ) -> Feedback:
        """Say something of an answer.

        Args:
            interaction_id: the answer's id.
            rating: thumb up or down.
            correction: what it should have said.
            comment: anything else.
            key_id: who says it.

        Returns:
            The feedback.

        Raises:
            NotFoundError: the project has kept no such answer.
        """
        with self._database.session() as session:
            if session.get(InteractionRow, (self._project_id, interaction_id)) is None:
                raise NotFoundError(
                    f"No answer '{interaction_id}' was kept. Ask with `store: true`, and the answer can be rated.",
                    param="interaction_id",
                    code="interaction_not_found",
                )
            row = FeedbackRow(
                id=new_id("fb_"),
                project_id=self._project_id,
                interaction_id=interaction_id,
                created_at=int(time.time()),
                rating=rating,
                correction=correction,
                comment=comment,
                key_id=key_id,
            )
            session.add(row)
            return _to_feedback(row)

    def rated(self, *, asked: str | None = None) -> Sequence[tuple[Interaction, Feedback]]:
        """Answers with the newest thing said of each, oldest first.

        Args:
            asked: only those given under this name.

        Returns:
            Pairs.
        """
        joined = (InteractionRow.project_id == FeedbackRow.project_id) & (
            InteractionRow.id == FeedbackRow.interaction_id
        )
        query = (
            select(InteractionRow, FeedbackRow)
            .join(FeedbackRow, joined)
            .where(InteractionRow.project_id == self._project_id)
            .order_by(FeedbackRow.created_at, FeedbackRow.id)
        )
        if asked:
            query = query.where(InteractionRow.asked == asked)
        newest: dict[str, tuple[Interaction, Feedback]] = {}
        with self._database.session() as session:
            for interaction, feedback in session.execute(query):
                newest[interaction.id] = (_to_interaction(interaction), _to_feedback(feedback))
        return list(newest.values())


def _to_interaction(row: InteractionRow) -> Interaction:
    messages = tuple(Message(turn["role"], turn["content"]) for turn in row.messages)
    return Interaction(row.id, row.created_at, row.asked, row.answered_by, messages, row.answer)


def _to_feedback(row: FeedbackRow) -> Feedback:
    rating: Rating = "up" if row.rating == "up" else "down"
    return Feedback(row.id, row.interaction_id, row.created_at, rating, row.correction, row.comment)
