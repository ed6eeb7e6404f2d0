"""`tunesmith data build feedback`: from what was said of answers to chat JSONL.

    rated down, with a correction      the prompt as the model saw it -> the correction
    rated up                           the prompt                     -> the answer, as it was
    rated down, without a correction   nothing: what is wrong with it is not said

or, as pairs for dpo, from each correction:

    the prompt -> the correction, preferred to the answer as it was

Each line names its feedback and its answer in `metadata`, so that a version can be traced back to them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.datasets.preferences import preference_line
from tunesmith.errors import DataError
from tunesmith.stores.atomic import write_atomic
from tunesmith.stores.feedback import Feedback, Interaction


@dataclass(frozen=True, slots=True)
class FeedbackSet:
    """What was written, and why each row is there."""

    num_rows: int
    counts: Mapping[str, int]


def build_from_feedback(
    rated: Sequence[tuple[Interaction, Feedback]], out: Path, *, copies: int = 1, pairs: bool = False
) -> FeedbackSet:
    """Write a training file.

    Args:
        rated: answers with what was said of each.
        out: the chat or preference JSONL to write.
        copies: lines of each correction; a few among many rows are not heard otherwise.
        pairs: write preferences, of corrections alone.

    Returns:
        What was written.

    Raises:
        DataError: nothing can be learnt from it.
        StorageError: the file cannot be written.
    """
    counts: Counter[str] = Counter()
    make = _pairs if pairs else _lines
    lines = [line for said in rated for line in make(*said, copies=copies, counts=counts)]
    if not lines:
        useful = "corrected" if pairs else "rated up or corrected"
        raise DataError(
            f"Of {len(rated)} rated answers none is {useful}, so there is nothing to learn. "
            "POST /v1/feedback takes a `correction`."
        )
    write_atomic(out, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines), mode=0o644)
    return FeedbackSet(len(lines), dict(counts))


def _lines(
    interaction: Interaction, feedback: Feedback, *, copies: int, counts: Counter[str]
) -> Iterator[dict[str, Any]]:
    if feedback.correction:
        counts["corrected"] += 1
        yield from [_line(interaction, feedback, feedback.correction)] * copies
    elif feedback.rating == "up":
        counts["rated_up"] += 1
        yield _line(interaction, feedback, interaction.answer)
    else:
        counts["left_out"] += 1


def _pairs(
    interaction: Interaction, feedback: Feedback, *, copies: int, counts: Counter[str]
) -> Iterator[dict[str, Any]]:
    if not feedback.correction or feedback.correction == interaction.answer or not interaction.answer:
        counts["left_out"] += 1
        return
    counts["corrected"] += 1
    line = preference_line(interaction.messages, feedback.correction, interaction.answer)
    yield from [line | {"metadata": _source(interaction, feedback)}] * copies


def _line(interaction: Interaction, feedback: Feedback, said: str) -> dict[str, Any]:
    turns = [{"role": turn.role, "content": turn.content} for turn in interaction.messages]
    return {
        "messages": [*turns, {"role": "assistant", "content": said}],
        "metadata": _source(interaction, feedback),
    }


def _source(interaction: Interaction, feedback: Feedback) -> dict[str, str]:
    return {"feedback": feedback.id, "interaction": interaction.id}
