"""JSONL whose every bad line is told at once: what all formats of training data share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tunesmith.errors import DataError

MAX_FAULTS_SHOWN = 50
"""Faults printed of one file; the rest is counted."""

_MOST_CHARACTERS = 400
"""Of one fault."""
_BOM = b"\xef\xbb\xbf"

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one line, and the way out."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        """The line as a user reads it: `file:line: reason`."""
        return f"{self.file}:{self.line}: {self.reason}"


class LineError(Exception):
    """The reason why a line is refused; it ends as a `Fault`."""


def read_lines(
    path: str | Path, parse: Callable[[dict[str, Any], str, int], Item], *, name: str, what: str
) -> Iterator[Item | Fault]:
    """Read a file line by line; nothing is held.

    Args:
        path: a JSONL file, UTF-8; a byte order mark is passed over.
        parse: makes an item of a line's object, given the file's name and the line's number; raises `LineError`.
        name: what faults call the file.
        what: what a line is, for the fault of an empty file.

    Yields:
        Each line as an item or a fault; an empty file is one fault at line 1.

    Raises:
        DataError: the file cannot be opened.
    """
    is_empty = True
    for number, line in numbered_lines(path):
        is_empty = False
        try:
            yield parse(_parse_json(line), name, number)
        except LineError as error:
            reason = str(error)  # which may quote what is there, megabytes of it
            cut = reason if len(reason) <= _MOST_CHARACTERS else f"{reason[:_MOST_CHARACTERS]} ..."
            yield Fault(name, number, cut)
    if is_empty:
        yield Fault(name, 1, f"the file holds no {what}. Add at least one line.")


def numbered_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Read the lines of a file, without their ends.

    Args:
        path: the file.

    Yields:
        Number and bytes of each line.

    Raises:
        DataError: the file cannot be opened.
    """
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, start=1):
                body = (line.removeprefix(_BOM) if number == 1 else line).rstrip(b"\r\n")
                # Only a file's last line may be blank without saying so: an empty line elsewhere is a lost example.
                if body.strip() or file.peek(1):
                    yield number, body
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check the path of the data file."
        ) from error


def count_lines(lines: Iterable[object]) -> tuple[int, tuple[Fault, ...], int]:
    """Look through lines of any number without holding them.

    Args:
        lines: items and faults.

    Returns:
        Good lines, the first `MAX_FAULTS_SHOWN` faults, and how many faults there are.
    """
    good, faults, shown = 0, 0, list[Fault]()
    for item in lines:
        if not isinstance(item, Fault):
            good += 1
            continue
        faults += 1
        if len(shown) < MAX_FAULTS_SHOWN:
            shown.append(item)
    return good, tuple(shown), faults


def describe_faults(faults: Sequence[Fault]) -> str:
    """Write faults as text, one line each, the first fifty and the number of the rest.

    Args:
        faults: at least one.

    Returns:
        The message.
    """
    lines = [str(fault) for fault in faults[:MAX_FAULTS_SHOWN]]
    if len(faults) > MAX_FAULTS_SHOWN:
        lines.append(f"... and {len(faults) - MAX_FAULTS_SHOWN} more bad lines in {faults[0].file}.")
    return "\n".join(lines)


def kind_of(value: Any) -> str:
    """Say what a JSON value is.

    Args:
        value: as `json` reads it.

    Returns:
        `a list`, `null`, ...
    """
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return "an empty list" if value == [] else names.get(type(value), "a number")


def _parse_json(line: bytes) -> dict[str, Any]:
    if not line.strip():
        raise LineError("the line is blank. Remove it.")
    try:
        document = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise LineError(f"byte {error.start + 1} is not UTF-8. Save the file as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise LineError(
            f"not valid JSON: {error.msg} at column {error.colno}. Write one object a line."
        ) from None
    except RecursionError:
        raise LineError('the JSON is nested too deeply. Write {"messages": [...]}.') from None
    except ValueError:
        raise LineError("not valid JSON: a number has thousands of digits. Write it as text.") from None
    if not isinstance(document, dict):
        raise LineError(f'a line is an object with "messages", this is {kind_of(document)}.')
    return document
