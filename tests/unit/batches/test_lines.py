from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tunesmith.batches import lines as module
from tunesmith.batches.lines import LineFault, check_lines, read_lines

CHAT = "/v1/chat/completions"


def line(custom_id: str = "a", **changes: Any) -> bytes:
    request = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {"model": "m"}, **changes}
    return json.dumps({name: value for name, value in request.items() if value is not None}).encode() + b"\n"


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n  \n"])
def test_lines_are_the_same_in_whichever_pieces_they_come(size: int, end: bytes) -> None:
    content = b'{"a": 1}\n\n{"b": 2}\r\n{"c": "\xc3\xa9"}' + end
    read = list(read_lines(pieces(content, size)))
    assert [json.loads(one.raw) for one in read] == [{"a": 1}, {"b": 2}, {"c": "é"}]
    assert [one.number for one in read] == [1, 3, 4]
    for one in read:
        assert content[one.start : one.end].strip() == one.raw.strip()
        rest = list(read_lines([content[one.start :]], number=one.number, offset=one.start))
        assert rest[0] == one


def faults(*raw: bytes) -> list[LineFault]:
    return check_lines(read_lines(raw), endpoint=CHAT).faults


def test_good_lines_have_no_fault() -> None:
    checked = check_lines(read_lines([line("a"), line("b", extra=1)]), endpoint=CHAT)
    assert (checked.total, checked.faults, checked.models) == (2, [], {"m"})


@pytest.mark.parametrize(
    ("bad", "code", "param"),
    [
        (b"{broken\n", "invalid_json_line", None),
        (b"[1]\n", "invalid_json_line", None),
        (b"\xff\xfe\n", "invalid_json_line", None),
        (b"[" * 100_000 + b"\n", "invalid_json_line", None),
        (line(method="GET"), "invalid_value", "method"),
        (line(url="/v1/embeddings"), "mismatched_endpoint", "url"),
        (line(custom_id=None), "missing_required_parameter", "custom_id"),  # type: ignore[arg-type]
        (line(custom_id=7), "invalid_value", "custom_id"),  # type: ignore[arg-type]
        (line(body=None), "missing_required_parameter", "body"),
        (line(body="x"), "invalid_value", "body"),
        (line(body={"stream": True}), "invalid_request", "body.stream"),
        (line("a"), "duplicate_custom_id", "custom_id"),
    ],
)
def test_a_fault_is_told_with_its_line(bad: bytes, code: str, param: str | None) -> None:
    (fault,) = faults(line("a"), b"\n", bad, line("z"))
    assert (fault.code, fault.param, fault.line) == (code, param, 3)


def test_an_empty_file_is_told() -> None:
    assert [fault.code for fault in faults(b" \n\n")] == ["empty_file"]


def test_too_many_lines_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 2)
    assert [fault.code for fault in faults(line("a"), line("b"), line("c"), line("d"))] == ["too_many_tasks"]


def test_a_line_without_end_is_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE_BYTES", 1000)

    def endless() -> Iterator[bytes]:
        yield line("a")
        for _ in range(1000):
            yield b"x" * 100
        raise AssertionError("read to the end")

    (fault,) = check_lines(read_lines(endless()), endpoint=CHAT).faults
    assert fault.code == "line_too_long"
    assert "Line 2" in fault.message


def test_at_most_a_hundred_faults_are_shown() -> None:
    assert len(faults(b"x\n" * 500)) == 100
