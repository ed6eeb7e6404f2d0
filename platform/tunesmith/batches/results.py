"""The answers of a batch: lines of its two result files, kept in parts until it ends.

    projects/<project>/batches/<batch>/<number>-<fence>.output      answers of some lines, in the order they came
    projects/<project>/batches/<batch>/<number>-<fence>.errors      refusals of some lines

A part counts when it has a row (`BatchQueue.record`). What a killed controller wrote before that is nobody's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.batches.batch import Batch
from tunesmith.stores.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one line.

    Attributes:
        line: its number.
        custom_id: its owner's name for it.
        status: HTTP status; 0 if it was not asked.
        request_id: id of the request.
        body: what came back.
        error: why it was not asked.
    """

    line: int
    custom_id: str
    status: int = 0
    request_id: str = ""
    body: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it was answered."""
        return self.status == 200


@dataclass(frozen=True, slots=True)
class Part:
    """Results that were written together.

    Attributes:
        name: of its objects, without the folder.
        num_output: answers.
        num_errors: refusals.
        usage: tokens.
    """

    name: str
    num_output: int
    num_errors: int
    usage: Mapping[str, int]


def results_prefix(project_id: str, batch_id: str) -> str:
    """Where the parts of a batch lie.

    Args:
        project_id: whose batch.
        batch_id: its id.

    Returns:
        Folder in the object store.
    """
    return f"projects/{project_id}/batches/{batch_id}"


def write_part(objects: ObjectStore, batch: Batch, number: int, results: Sequence[Result]) -> Part:
    """Write some results; they count once the part is recorded.

    Args:
        objects: where they go.
        batch: the batch, with the fence of who writes.
        number: how many parts there are before.
        results: at least one.

    Returns:
        The part.

    Raises:
        StorageError: the object store cannot be written.
    """
    name = f"{number:06d}-{batch.fence}"
    answered = [result for result in results if result.succeeded]
    refused = [result for result in results if not result.succeeded]
    for kind, some in (("output", answered), ("errors", refused)):
        if some:
            with objects.writer(f"{results_prefix(batch.project_id, batch.id)}/{name}.{kind}") as writer:
                for result in some:
                    writer.write(_line_of(batch, result))
    return Part(name, len(answered), len(refused), _usage_of(answered))


def _line_of(batch: Batch, result: Result) -> bytes:
    digest = hashlib.sha256(f"{batch.id}/{result.line}".encode()).hexdigest()
    response = {"status_code": result.status, "request_id": result.request_id, "body": result.body}
    shown = {
        "id": f"batch_req_{digest[:24]}",
        "custom_id": result.custom_id,
        "response": response if result.status else None,
        "error": result.error,
    }
    return json.dumps(shown, separators=(",", ":")).encode() + b"\n"


def _usage_of(results: Sequence[Result]) -> dict[str, int]:
    usages = [(result.body or {}).get("usage") or {} for result in results]
    given = sum(usage.get("prompt_tokens") or usage.get("input_tokens") or 0 for usage in usages)
    made = sum(usage.get("completion_tokens") or usage.get("output_tokens") or 0 for usage in usages)
    return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
