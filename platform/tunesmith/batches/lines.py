"""The lines of a batch's input file: read one by one, checked, and told by number where they are wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tunesmith.errors import DataError

MOST_LINES = 50_000
MOST_BYTES = 200 * 2**20
LONGEST_LINE_BYTES = 16 * 2**20
"""As long as the body of a single request may be."""
_MOST_FAULTS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank.

    Attributes:
        number: counted from 1, blank lines too.
        start: its first byte in the file.
        end: the first byte of the next line.
        raw: its bytes.
    """

    number: int
    start: int
    end: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong with a line, or with the file as a whole, as the OpenAI API tells it."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The JSON object."""
        return asdict(self)


class RequestFields(BaseModel):
    """One request of a batch."""

    model_config = ConfigDict(extra="ignore")
    custom_id: str = Field(min_length=1, max_length=512)
    """By which its owner finds the answer; no other line may have it."""
    method: Literal["POST"]
    """All requests of a batch are made so."""
    url: str
    """The endpoint of the batch."""
    body: dict[str, Any]
    """What would be sent to it."""


@dataclass(slots=True)
class CheckedLines:
    """What a look at all lines found.

    Attributes:
        total: how many there are.
        faults: the first faults.
        models: the models that are asked.
    """

    total: int = 0
    faults: list[LineFault] = field(default_factory=list)
    models: set[str] = field(default_factory=set)


def read_lines(pieces: Iterable[bytes], *, number: int = 1, offset: int = 0) -> Iterator[Line]:
    """Split bytes into lines, of which one at a time is in memory, and the piece that it came in.

    Args:
        pieces: the file from `offset` on.
        number: number of the line that begins there.
        offset: where in the file the pieces begin.

    Yields:
        The lines that are not blank.

    Raises:
        DataError: a line is longer than `LONGEST_LINE_BYTES`.
    """
    pending = b""
    for piece in pieces:
        *whole, pending = (pending + piece).split(b"\n")
        for raw in whole:
            if raw.strip():
                yield Line(number, offset, offset + len(raw) + 1, raw)
            number, offset = number + 1, offset + len(raw) + 1
        if len(pending) > LONGEST_LINE_BYTES:
            raise DataError(
                f"Line {number} is longer than {LONGEST_LINE_BYTES} bytes. Shorten the request in it.",
                code="line_too_long",
            )
    if pending.strip():
        yield Line(number, offset, offset + len(pending), pending)


def check_lines(lines: Iterable[Line], *, endpoint: str) -> CheckedLines:
    """Look at every line once.

    Args:
        lines: the lines.
        endpoint: what each must ask for.

    Returns:
        How many there are, and at most 100 of their faults.
    """
    checked, seen = CheckedLines(), set[bytes]()
    try:
        for line in lines:
            checked.total += 1
            if checked.total > MOST_LINES:
                checked.faults.append(_too_many())
                break
            fault = _fault_of(line, endpoint=endpoint, seen=seen, models=checked.models)
            if fault and len(checked.faults) < _MOST_FAULTS_SHOWN:
                checked.faults.append(fault)
    except DataError as error:
        checked.faults.append(LineFault(error.code or "invalid_file", error.message))
    if not checked.total and not checked.faults:
        checked.faults.append(LineFault("empty_file", "The input file holds no requests. Write one a line."))
    return checked


def _too_many() -> LineFault:
    return LineFault(
        "too_many_tasks", f"The file holds more than {MOST_LINES} requests. Split it into several batches."
    )


def _fault_of(line: Line, *, endpoint: str, seen: set[bytes], models: set[str]) -> LineFault | None:
    try:
        fields = parse_line(line)
    except DataError as error:
        return LineFault(error.code or "invalid_request", error.message, line.number, error.param)
    if fields.url != endpoint:
        message = f"url='{fields.url[:200]}' is not the endpoint of the batch. Write '{endpoint}'."
        return LineFault("mismatched_endpoint", message, line.number, "url")
    if fields.body.get("stream"):
        message = "stream=true cannot be served in a batch. Leave it out."
        return LineFault("invalid_request", message, line.number, "body.stream")
    digest = hashlib.blake2b(fields.custom_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    if digest in seen:
        message = f"custom_id='{fields.custom_id}' stands on an earlier line too. Give each line its own."
        return LineFault("duplicate_custom_id", message, line.number, "custom_id")
    seen.add(digest)
    models.add(str(fields.body.get("model")))
    return None


def parse_line(line: Line) -> RequestFields:
    """Read one request.

    Args:
        line: the line.

    Returns:
        The request.

    Raises:
        DataError: it is none; says the first fault.
    """
    try:
        return RequestFields.model_validate(json.loads(line.raw))
    except ValidationError as error:
        fault = error.errors()[0]
        path = ".".join(str(part) for part in fault["loc"]) or None
        if not path:
            raise DataError("A line must be a JSON object.", code="invalid_json_line") from None
        missing = fault["type"] == "missing"
        message = f"Missing '{path}'." if missing else f"Invalid value for '{path}': {fault['msg']}."
        code = "missing_required_parameter" if missing else "invalid_value"
        raise DataError(message, param=path, code=code) from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"This line is not parseable as valid JSON: {error}.", code="invalid_json_line"
        ) from None
