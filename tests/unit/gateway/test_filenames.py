from __future__ import annotations

import pytest

from tunesmith.gateway.files.filenames import attachment, clean_filename


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("examples.jsonl", "examples.jsonl"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\data\\a.jsonl", "a.jsonl"),
        ("folder/", "folder"),
        (" a b.txt ", "a b.txt"),
        ("a\r\nSet-Cookie: x\x00.txt", "aSet-Cookie: x.txt"),
        ("文書 👩‍🔬.jsonl", "文書 👩‍🔬.jsonl"),
        (".env", ".env"),
        ("x" * 255, "x" * 255),
    ],
)
def test_what_is_kept_is_a_name(sent: str, kept: str) -> None:
    assert clean_filename(sent) == kept


@pytest.mark.parametrize(
    "sent", ["", " ", ".", "..", "/", "../..", "\r\n", "...", "\u3000", "a/.\x00./", "x" * 256]
)
def test_what_is_no_name_is_refused(sent: str) -> None:
    with pytest.raises(ValueError, match=r"must be the name of a file|at most 255"):
        clean_filename(sent)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.jsonl", 'attachment; filename="a.jsonl"'),
        ('a"b.txt', "attachment; filename*=UTF-8''a%22b.txt"),
        ("a b;c.txt", "attachment; filename*=UTF-8''a%20b%3Bc.txt"),
        ("文.txt", "attachment; filename*=UTF-8''%E6%96%87.txt"),
        ("a\r\nX: y", "attachment; filename*=UTF-8''a%0D%0AX%3A%20y"),
    ],
)
def test_a_header_holds_no_more_than_a_name(name: str, header: str) -> None:
    assert attachment(name) == header
