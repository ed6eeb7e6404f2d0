from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from bs4.exceptions import ParserRejectedMarkup
from docx.oxml.exceptions import InvalidXmlError

from tunesmith.errors import DocumentError, StorageError
from tunesmith.ingest.formats.reading import Reading
from tunesmith.ingest.load import READERS, hash_bytes, load_document, parse_document
from tunesmith.ingest.normalise import normalise

FORMATS = Path(__file__).parents[4] / "shared" / "data" / "docs-formats" / "files"
SEED = 20261121


def needs_formats() -> None:
    if not FORMATS.is_dir():
        pytest.skip("shared data absent")


def test_a_document_has_the_hash_of_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "note.md"
    file.write_bytes(b"# Leave\r\n\r\n27 days.\r\n")
    document = load_document(file, "people/note.md")
    assert document.path == "people/note.md"
    assert document.title == "Leave"
    assert document.text == "# Leave\n\n27 days."
    assert document.content_hash == hash_bytes(file.read_bytes())


def test_without_a_heading_the_title_is_the_name(tmp_path: Path) -> None:
    assert parse_document(b"Just text.", "a/office hours.txt").title == "office hours"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.md", b"", "is empty"),
        ("a.md", b" \n\t\n", "is empty"),
        ("a.md", b"<!-- nothing -->", "holds no text"),
        ("a.html", b"<nav>Home</nav><script>x()</script>", "holds no text"),
        ("a.txt", bytes(range(256)) * 8, "is not text"),
        ("a.md", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(200), "is not text"),
        ("a.pdf", b"%PDF-1.7 and then nothing", "is damaged"),
        ("a.pdf", b"no pdf at all", "is damaged"),
        ("a.docx", b"PK\x03\x04 broken", "is damaged"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + bytes(100), "protected by a password"),
        ("a.json", b'{"a": 1,}', "is not valid JSON"),
        ("a.ipynb", b"{}", "is not a Jupyter notebook"),
        ("a.xyz", b"text", "has the format .xyz, which is not supported"),
        ("a.doc", b"text", "Save it as .docx"),
        ("Makefile", b"text", "without an ending"),
    ],
)
def test_what_cannot_be_read_has_its_reason(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(DocumentError) as told:
        load_document(file, name)
    assert reason in told.value.message


def test_a_table_with_a_quote_that_never_closes_has_its_reason() -> None:
    data = b'name,note\n"Doe,x\n' + b"Roe,A sentence that is longer than nothing.\n" * 8000
    assert len(data) > 2 * 131072
    with pytest.raises(DocumentError, match="opens a quote in its row at line 2 that never closes"):
        parse_document(data, "people.csv")


def test_a_word_file_that_lacks_an_attribute_has_its_reason() -> None:
    with pytest.raises(DocumentError, match=r"is damaged and cannot be parsed \(required .*w:val"):
        parse_document(word_file_without_a_style(), "letter.docx")


def word_file_without_a_style() -> bytes:
    document, made, data = docx.Document(), io.BytesIO(), io.BytesIO()
    document.add_heading("Leave", 1)
    document.save(made)
    with zipfile.ZipFile(made) as whole, zipfile.ZipFile(data, "w") as damaged:
        for name in whole.namelist():
            damaged.writestr(name, whole.read(name).replace(b'<w:pStyle w:val="Heading1"/>', b"<w:pStyle/>"))
    return data.getvalue()


@pytest.mark.parametrize(
    "fault", [ParserRejectedMarkup("no"), InvalidXmlError("no"), RecursionError("no"), OSError("no")]
)
def test_whatever_a_parser_fails_with_is_the_files_fault(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READERS, ".html", failing_with(fault))
    with pytest.raises(DocumentError, match=r"cannot be parsed \(no\)"):
        parse_document(b"<p>Text.</p>", "a.html")


@pytest.mark.parametrize(
    "fault",
    [MemoryError(), KeyboardInterrupt(), StorageError("The disk is full."), DocumentError("is a scan")],
)
def test_what_is_not_the_parsers_goes_through(fault: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, ".html", failing_with(fault))
    with pytest.raises(type(fault)) as told:
        parse_document(b"<p>Text.</p>", "a.html")
    assert told.value is fault


def failing_with(fault: BaseException) -> Callable[[bytes], Reading]:
    def read(_data: bytes) -> Reading:
        raise fault

    return read


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "big.txt"
    file.write_bytes(b"x" * 2_000_000)
    with pytest.raises(DocumentError, match="has 2 MiB, more than the 1 allowed"):
        load_document(file, "big.txt", max_bytes=2**20)


def test_a_file_that_is_gone_has_its_reason(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be opened: No such file"):
        load_document(tmp_path / "gone.txt", "gone.txt")


def test_real_files_load_or_say_why_not() -> None:
    needs_formats()
    loaded, refused = {}, {}
    for file in sorted(FORMATS.iterdir()):
        try:
            loaded[file.name] = load_document(file, file.name)
        except DocumentError as error:
            refused[file.name] = error.message
    assert set(refused) == {
        "MEDRPT-2024-PAT-3847_medical_report_scan.pdf",
        "random.bin",
        "test.xls",
        "test.xlsx",
        "test_outlook_msg.msg",
    }
    assert "scan" in refused["MEDRPT-2024-PAT-3847_medical_report_scan.pdf"]
    assert all("." in reason for reason in refused.values())
    for document in loaded.values():
        assert document.text == normalise(document.text)
    assert "佐藤太郎" in loaded["test_mskanji.csv"].text
    assert "mw.config" not in loaded["test_wikipedia.html"].text
    assert "Bill Gates" in loaded["test_wikipedia.html"].text
    assert "AutoGen" in loaded["test.docx"].title


def test_damaged_files_load_or_say_why_not() -> None:
    """Bytes of real files are changed, cut out and doubled: nothing but a DocumentError may come out."""
    needs_formats()
    chance = random.Random(SEED)
    refused = 0
    files = [
        file for file in sorted(FORMATS.iterdir()) if file.suffix in READERS and file.stat().st_size < 300_000
    ]
    for round_number in range(4):
        for file in files:
            data = damage(bytearray(file.read_bytes()), chance)
            try:
                parse_document(data, f"{round_number}{file.suffix}")
            except DocumentError:
                refused += 1
    assert refused


def damage(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice([1, 20, 200])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    start = chance.randrange(len(data))
    length = chance.choice([0, 10, len(data) // 2])
    return bytes(data[:start] + data[start + length :]) or b"x"
