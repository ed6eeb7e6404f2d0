"""What the gateway comes to know about one request: told to its log, its metrics and its trace, never its contents."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection


@dataclass(slots=True)
class RequestRecord:
    """One request, filled in as it goes.

    Attributes:
        request_id: the id that the client gets back.
        began: `time.perf_counter()` at its first byte.
        project_id: whose key it came with.
        key_id: the key itself, by its id.
        principal_id: whose key that is.
        headers: what the answer says beside its own headers: what is left of a limit.
        model: what answers it, as it is registered; never what was asked for.
        error_code: why it was refused, or failed.
        queue_seconds: how long it waited for a place in the data plane.
        first_token_seconds: until the first chunk of a stream.
        prompt_tokens: tokens read.
        completion_tokens: tokens written.
    """

    request_id: str = ""
    began: float = field(default_factory=time.perf_counter)
    project_id: str = ""
    key_id: str = ""
    principal_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    model: str = ""
    error_code: str = ""
    queue_seconds: float | None = None
    first_token_seconds: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def told(self) -> dict[str, str | int | float]:
        """What a log may say of it.

        Returns:
            What is known, by the names of the attributes: ids, names, counts and times alone.
        """
        known: dict[str, str | int | float | None] = {
            "request_id": self.request_id,
            "project": self.project_id,
            "model": self.model,
            "error": self.error_code,
            "queue_seconds": self.queue_seconds and round(self.queue_seconds, 4),
            "first_token_seconds": self.first_token_seconds and round(self.first_token_seconds, 4),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }
        return {name: value for name, value in known.items() if value}


def record_of(connection: HTTPConnection) -> RequestRecord:
    """Find the record of a request.

    Args:
        connection: the request.

    Returns:
        Its record; a new one where nobody has begun one.
    """
    state = connection.scope.setdefault("state", {})
    record: RequestRecord = state.setdefault("record", RequestRecord())
    return record
