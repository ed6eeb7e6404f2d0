"""A batch as everybody sees it.

validating --> in_progress --> finalizing --> completed
    |               |  window is over  -----> expired
    +--> failed     +--> cancelling --------> cancelled
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from tunesmith.records import BatchState
from tunesmith.stores.database import BatchRow

ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")
"""What the lines of a batch may ask for."""
BATCH_PREFIX = "batch_"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch.

    Attributes:
        id: `batch_...`; sorts by the moment of its making.
        project_id: whose it is.
        endpoint: what its lines ask for.
        input_file_id: the file of its lines.
        completion_window: `24h`.
        state: where it stands.
        fence: number of the newest hold; a write of an earlier one is refused.
        created_at: Unix seconds.
        expires_at: Unix seconds; what is not answered then never is.
        times: Unix seconds at which it came to each state, by state.
        total: lines.
        completed: lines answered.
        failed: lines refused, or not answered in time.
        usage: tokens so far.
        errors: why it failed.
        model: what its lines ask, if all ask the same.
        output_file_id: the file of the answers.
        error_file_id: the file of the refusals.
        output_seconds: how long these files live; None keeps them.
        metadata: its owner's.
        cursor_line: number of the first line that may not be done.
        cursor_offset: its first byte.
        ahead: lines behind the cursor that are done.
    """

    id: str
    project_id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    state: BatchState
    fence: int
    created_at: int
    expires_at: int
    times: Mapping[str, int]
    total: int
    completed: int
    failed: int
    usage: Mapping[str, int]
    errors: Sequence[Mapping[str, Any]]
    model: str | None
    output_file_id: str | None
    error_file_id: str | None
    output_seconds: int | None
    metadata: Mapping[str, str] | None
    cursor_line: int
    cursor_offset: int
    ahead: Sequence[int]


def to_batch(row: BatchRow) -> Batch:
    """A batch's row as a noun.

    Args:
        row: the row.

    Returns:
        The batch.
    """
    assert row.state in get_args(BatchState)
    return Batch(
        id=row.id,
        project_id=row.project_id,
        endpoint=row.endpoint,
        input_file_id=row.input_file_id,
        completion_window=row.completion_window,
        state=row.state,  # type: ignore[arg-type]
        fence=row.fence,
        created_at=row.created_at,
        expires_at=row.expires_at,
        times=row.times,
        total=row.total,
        completed=row.completed,
        failed=row.failed,
        usage=row.usage,
        errors=row.errors,
        model=row.model,
        output_file_id=row.output_file_id,
        error_file_id=row.error_file_id,
        output_seconds=row.output_seconds,
        metadata=row.details,
        cursor_line=row.cursor_line,
        cursor_offset=row.cursor_offset,
        ahead=row.ahead,
    )
