"""Forms with a file: the file goes on piece by piece while it comes in, and is never held.

network --64 KiB--> gathered to 1 MiB --a thread--> parser --> sink (the object store)
                                                       '-----> fields
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import unquote

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from tunesmith.errors import ClientGoneError, ConfigError, TooLargeError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

GATHERED_BYTES = 2**20
"""What a thread is given at a time."""
_MOST_FIELD_BYTES = 4096
_ROOM_FOR_FIELDS = 2**16
_WAY_OUT = (
    'Send it as `multipart/form-data`; the official clients and `curl -F file=@NAME -F purpose="..."` do.'
)


class FileSink(Protocol):
    """Where the bytes of the file go; called from threads, one at a time."""

    def write(self, data: bytes | memoryview) -> None:
        """Take some bytes."""

    def discard(self) -> None:
        """Forget them."""


Sink = TypeVar("Sink", bound=FileSink)


@dataclass(frozen=True, slots=True)
class Form:
    """What came besides the file's bytes.

    Attributes:
        fields: the text fields, by name.
        filename: as the client called the file; None if it did not.
    """

    fields: Mapping[str, str]
    filename: str | None


@asynccontextmanager
async def opened(open_sink: Callable[[], Sink]) -> AsyncIterator[Sink]:
    """Open a sink in a thread, and discard it if the block does not end well.

    Args:
        open_sink: opens it.

    Yields:
        The sink.
    """
    sink = await run_in_threadpool(open_sink)
    try:
        yield sink
    except asyncio.CancelledError:
        # The server is stopping, and does not wait for threads.
        sink.discard()
        raise
    except BaseException:
        await run_in_threadpool(sink.discard)
        raise


async def receive_form(
    request: Request,
    sink: FileSink,
    *,
    file_field: str,
    max_file_bytes: int,
    text_fields: Container[str] = (),
    before_file: Callable[[Mapping[str, str]], object] = lambda _fields: None,
) -> Form:
    """Read a form to its end.

    Args:
        request: the request; its body has not been read.
        sink: takes the file.
        file_field: name of the field that is the file.
        max_file_bytes: longest file.
        text_fields: names of the other fields.
        before_file: told the fields that came before the file; what it raises spares the client sending the rest.

    Returns:
        The other fields and the file's name.

    Raises:
        ConfigError: no form, a broken one, one without the file, or one with a field that is not known.
        TooLargeError: the file is longer than `max_file_bytes`.
        ClientGoneError: the client closed the connection first.
    """
    if int(request.headers.get("content-length", 0)) > max_file_bytes + _ROOM_FOR_FIELDS:
        raise _too_large(file_field, max_file_bytes)
    reading = _Reading(sink, file_field, max_file_bytes, text_fields, before_file)
    boundary = _boundary(request)
    try:
        parser = MultipartParser(boundary, reading.callbacks())
        async for piece in _gathered(request):
            await run_in_threadpool(parser.write, piece)
    except FormParserError as error:
        raise _malformed(str(error)) from error
    except ClientDisconnect as error:
        raise ClientGoneError("The client closed the connection.") from error
    return reading.form()


async def _gathered(request: Request) -> AsyncIterator[bytes]:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size >= GATHERED_BYTES:
            yield b"".join(pieces)
            pieces, size = [], 0
    yield b"".join(pieces)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise _malformed(f"its Content-Type is '{kind.decode('latin-1')}'")
    if not options.get(b"boundary"):
        raise _malformed("its Content-Type names no boundary")
    return options[b"boundary"]


@dataclass(slots=True)
class _Reading:
    """The parser's callbacks and what they have learnt so far."""

    sink: FileSink
    file_field: str
    max_file_bytes: int
    text_fields: Container[str]
    before_file: Callable[[Mapping[str, str]], object]
    fields: dict[str, bytearray] = field(default_factory=dict)
    filename: str | None = None
    file_bytes: int | None = None
    ended: bool = False
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: str = ""
    _current: bytearray | None = None

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open_part,
            "on_part_data": self._take,
            "on_end": self._end,
        }

    def form(self) -> Form:
        if not self.ended:
            raise _malformed("it ends before its closing boundary")
        if self.file_bytes is None:
            raise ConfigError(
                f"Missing required parameter: '{self.file_field}'.",
                param=self.file_field,
                code="missing_required_parameter",
            )
        return Form(self._texts(), self.filename)

    def _begin_part(self) -> None:
        self._disposition = ""

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value.decode("utf-8", errors="replace")
        self._header.clear()
        self._value.clear()

    def _open_part(self) -> None:
        name, filename = _disposition(self._disposition)
        if name == self.file_field:
            if self.file_bytes is not None:
                raise _wrong(name, "is there twice; send one file at a time")
            self.before_file(self._texts())
            self.filename, self.file_bytes, self._current = filename, 0, None
            return
        if name not in self.text_fields:
            raise ConfigError(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        if name in self.fields:
            raise _wrong(name, "is there twice")
        self._current = self.fields[name] = bytearray()

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._current is not None:
            self._current += data[start:end]
            if len(self._current) > _MOST_FIELD_BYTES:
                raise TooLargeError(f"A text field of the form is longer than {_MOST_FIELD_BYTES} bytes.")
            return
        assert self.file_bytes is not None
        self.file_bytes += end - start
        if self.file_bytes > self.max_file_bytes:
            raise _too_large(self.file_field, self.max_file_bytes)
        self.sink.write(memoryview(data)[start:end])

    def _end(self) -> None:
        self.ended = True

    def _texts(self) -> dict[str, str]:
        try:
            return {name: value.decode() for name, value in self.fields.items()}
        except UnicodeDecodeError as error:
            raise _malformed(f"a field is not UTF-8 ({error.reason})") from error


def _disposition(header: str) -> tuple[str, str | None]:
    # The parser's own module reads headers as Latin-1; names of files are UTF-8.
    _, options = parse_options_header(header.encode().decode("latin-1"))
    name = options.get(b"name")
    if name is None:
        raise _malformed("a part of it has no name")
    filename = options.get(b"filename")
    # Forbidden in forms, yet some clients write names that are not plain ASCII well only so.
    extended = re.search(r"filename\*\s*=\s*utf-8''([^;\s]+)", header, flags=re.IGNORECASE)
    if extended:
        return name.decode(errors="replace"), unquote(extended[1])
    return name.decode(errors="replace"), None if filename is None else filename.decode(errors="replace")


def _wrong(name: str, fault: str) -> ConfigError:
    return ConfigError(f"Invalid value for '{name}': it {fault}.", param=name, code="invalid_value")


def _malformed(fault: str) -> ConfigError:
    return ConfigError(
        f"We could not parse the form of your request: {fault}. {_WAY_OUT}", code="invalid_multipart"
    )


def _too_large(file_field: str, max_file_bytes: int) -> TooLargeError:
    return TooLargeError(
        f"'{file_field}' is larger than {max_file_bytes} bytes. Split it and send the pieces one by one.",
        param=file_field,
    )
