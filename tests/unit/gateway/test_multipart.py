"""Forms as clients write them and as they should not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from tunesmith.errors import ClientGoneError, ConfigError, TooLargeError
from tunesmith.gateway.files.multipart import Form, opened, receive_form

B = "boundary"


class Sink:
    """Keeps what it is given, and how."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.discarded = False

    def write(self, data: bytes | memoryview) -> None:
        self.pieces.append(bytes(data))

    def discard(self) -> None:
        self.discarded = True

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


def part(name: str, value: bytes, *, more: str = "", headers: str = "") -> bytes:
    head = f'--{B}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'
    return head.encode() + value + b"\r\n"


def file_part(value: bytes, filename: str = "a.txt", name: str = "file") -> bytes:
    return part(name, value, more=f'; filename="{filename}"', headers="Content-Type: text/plain\r\n")


END = f"--{B}--\r\n".encode()


def request(
    body: bytes, *, step: int = 65536, content_type: str = "", hang_up: bool = False, **headers: str
) -> Request:
    pieces = [body[start : start + step] for start in range(0, len(body), step)] or [b""]
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": piece, "more_body": hang_up or number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]
    if hang_up:
        messages.append({"type": "http.disconnect"})
    stream = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(stream)

    kind = content_type or f"multipart/form-data; boundary={B}"
    named = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    encoded = [(name.encode(), value.encode()) for name, value in named.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": encoded}, receive)


async def receive(asked: Request, sink: Sink, **more: Any) -> Form:
    options = {"file_field": "file", "max_file_bytes": 10**9, "text_fields": ("purpose", "note"), **more}
    return await receive_form(asked, sink, **options)


@pytest.mark.parametrize("step", [1, 3, 7, 64, 65536])
@pytest.mark.parametrize("data", [b"", b"hello", b"\r\n--boundar\r\n--boundarx\r\n", bytes(range(256)) * 3])
@pytest.mark.parametrize("file_first", [True, False])
async def test_a_form_in_pieces_of_any_size(step: int, data: bytes, file_first: bool) -> None:
    parts = [file_part(data), part("purpose", b"batch")]
    sink = Sink()
    form = await receive(request(b"".join(parts if file_first else parts[::-1]) + END, step=step), sink)
    assert form == Form({"purpose": "batch"}, "a.txt")
    assert sink.data == data


async def test_a_file_passes_through_and_is_not_gathered() -> None:
    sink = Sink()
    await receive(request(file_part(bytes(5 * 2**20)) + END), sink)
    assert len(sink.data) == 5 * 2**20
    assert max(map(len, sink.pieces)) <= 2**20 + 65536


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('; filename="naïve 文書.jsonl"', "naïve 文書.jsonl"),
        ("; filename=plain.txt", "plain.txt"),
        ("; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        ("; filename=\"na%C3%AFve.txt\"; filename*=utf-8''na%C3%AFve.txt", "naïve.txt"),
        (r'; filename="a \"quoted\" name"', 'a "quoted" name'),
        ("", None),
    ],
)
async def test_the_name_of_a_file(disposition: str, filename: str | None) -> None:
    form = await receive(request(part("file", b"x", more=disposition) + END), Sink())
    assert form.filename == filename


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"{}", "application/json", "its Content-Type is 'application/json'"),
        (b"", "multipart/form-data", "names no boundary"),
        (b"", f"multipart/form-data; boundary={'b' * 300}", "Boundary length"),
        (b"no boundary at all", "", "boundary"),
        (b"", "", "ends before its closing boundary"),
        (file_part(b"cut")[:-20], "", "ends before its closing boundary"),
        (file_part(b"no end"), "", "ends before its closing boundary"),
        (f"--{B}\r\nContent-Type: text/plain\r\n\r\nx\r\n".encode() + END, "", "has no name"),
        (f"--{B}\r\nbad header\r\n\r\nx\r\n".encode() + END, "", "invalid character"),
        (f"--{B}\r\nX: {'x' * 100_000}\r\n\r\nx\r\n".encode() + END, "", "header size"),
        (part("purpose", b"\xff") + file_part(b"x") + END, "", "not UTF-8"),
    ],
)
async def test_what_is_no_form_is_told(body: bytes, content_type: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        await receive(request(body, content_type=content_type), Sink())
    assert error.value.code == "invalid_multipart"
    assert "multipart/form-data" in error.value.message


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (END, "file", "missing_required_parameter"),
        (part("purpose", b"batch") + END, "file", "missing_required_parameter"),
        (file_part(b"x") + file_part(b"y") + END, "file", "invalid_value"),
        (part("purpose", b"a") + part("purpose", b"b") + END, "purpose", "invalid_value"),
        (part("model", b"a") + file_part(b"x") + END, "model", "unknown_parameter"),
        (file_part(b"x", name="data") + END, "data", "unknown_parameter"),
    ],
)
async def test_a_field_that_is_wrong_is_named(body: bytes, param: str, code: str) -> None:
    with pytest.raises(ConfigError) as error:
        await receive(request(body), Sink())
    assert (error.value.param, error.value.code) == (param, code)


async def test_a_file_may_be_as_long_as_the_limit_and_no_longer() -> None:
    await receive(request(file_part(b"12345") + END), Sink(), max_file_bytes=5)
    with pytest.raises(TooLargeError, match="larger than 5 bytes"):
        await receive(request(file_part(b"123456") + END), Sink(), max_file_bytes=5)
    with pytest.raises(TooLargeError):
        await receive(request(part("purpose", b"x" * 5000) + END), Sink())


async def test_a_length_that_is_announced_too_large_is_not_waited_for() -> None:
    async def never() -> dict[str, Any]:
        raise AssertionError("the body was asked for")

    asked = request(b"", content_length=str(2**20))
    asked._receive = never
    with pytest.raises(TooLargeError):
        await receive(asked, Sink(), max_file_bytes=10)


async def test_what_is_wrong_before_the_file_spares_sending_it() -> None:
    def check(fields: dict[str, str]) -> None:
        if fields.get("purpose") == "wrong":
            raise ConfigError("no such purpose")

    sink = Sink()
    with pytest.raises(ConfigError, match="no such purpose"):
        await receive(
            request(part("purpose", b"wrong") + file_part(b"x" * 100) + END), sink, before_file=check
        )
    assert sink.data == b""
    await receive(request(part("purpose", b"right") + file_part(b"x") + END), sink, before_file=check)


@pytest.mark.parametrize(
    "hung_up_in", [part("purpose", b"batch"), part("purpose", b"batch") + file_part(b"half")[:-3]]
)
async def test_a_client_that_hangs_up_is_told_apart(hung_up_in: bytes) -> None:
    with pytest.raises(ClientGoneError):
        await receive(request(hung_up_in, hang_up=True), Sink())


async def test_a_sink_is_kept_when_all_went_well() -> None:
    async with opened(Sink) as sink:
        pass
    assert not sink.discarded


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError, KeyboardInterrupt])
async def test_a_sink_is_discarded_when_something_failed(error: type[BaseException]) -> None:
    sink = Sink()
    with pytest.raises(error):
        async with opened(lambda: sink):
            raise error
    assert sink.discarded


async def test_a_sink_is_discarded_before_a_stopping_server_is_gone() -> None:
    sink = Sink()

    async def wait_for_a_client() -> None:
        async with opened(lambda: sink):
            await asyncio.sleep(60)

    task = asyncio.create_task(wait_for_a_client())
    await asyncio.sleep(0.1)
    task.cancel()
    # One turn of the loop is all that it has.
    await asyncio.sleep(0)
    assert sink.discarded
