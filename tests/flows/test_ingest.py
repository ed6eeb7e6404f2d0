"""Ingest and search from the command line, with the real embedder and Milvus Lite."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tunesmith.assets import handbook_folder
from tunesmith.cli.main import main

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.setenv("TUNESMITH_HOME", str(home))

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tunesmith", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A handful of the handbook's documents, one of each format."""
    folder = tmp_path_factory.mktemp("corpus")
    for name in ("people/annual-leave.md", "customers/warranty.pdf", "people/recruitment.docx"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(handbook_folder() / name, folder / name)
    for name in ("it/service-desk.txt", "travel/business-travel.html"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(handbook_folder() / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def garbage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("garbage")
    (folder / "noise.txt").write_bytes(bytes(range(256)))
    (folder / "torn.docx").write_bytes(b"PK\x03\x04")
    (folder / "empty.md").write_bytes(b"")
    return folder


def test_the_whole_way_of_documents(cli: Cli, corpus: Path, garbage: Path) -> None:
    code, out, err = cli("ingest", corpus, garbage, "--store", "house", "--json")
    report = json.loads(out)
    assert code == 0
    assert len(report["added"]) == 5
    assert [line.partition(" ")[0] for line in err.splitlines()] == ["not"] * 3
    assert {failure["document"] for failure in report["failed"]} == {"empty.md", "noise.txt", "torn.docx"}

    code, out, _ = cli("search", "How long is the warranty on a Merrow 40?", "--store", "house", "--json")
    hit = json.loads(out)["hits"][0]
    assert code == 0
    assert hit["document"] == "customers/warranty.pdf"
    assert "36 months" in hit["text"]

    code, out, _ = cli("ingest", corpus, "--store", "house")
    assert code == 0
    assert out.startswith("house: 5 unchanged; ")

    leave = corpus / "people" / "annual-leave.md"
    leave.write_text(leave.read_text().replace("27 days", "31 days"))
    (corpus / "it" / "service-desk.txt").unlink()
    code, out, _ = cli("ingest", corpus, "--store", "house", "--remove-missing", "--json")
    report = json.loads(out)
    assert report["changed"] == ["people/annual-leave.md"]
    assert report["removed"] == ["it/service-desk.txt"]

    code, out, _ = cli("search", "How many days of annual leave do full-time staff get?", "--store", "house")
    assert out.startswith("[1] people/annual-leave.md:")
    assert "31 days" in out
    assert "27 days" not in out


def test_files_of_which_none_can_be_read_end_in_failure(cli: Cli, garbage: Path) -> None:
    code, out, err = cli("ingest", garbage, "--store", "nothing")
    assert code == 1
    assert out.startswith("nothing: 3 unreadable; 0 chunks")
    assert "not read: empty.md is empty" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("ingest", "/no/such/path", "--store", "x"), 2, '"/no/such/path" does not exist'),
        (("ingest", "--store", "x"), 2, "nothing to ingest"),
        (("ingest", ".", "--set", "chunk.chunk_tokens=3"), 2, "chunk.chunk_tokens=3"),
        (("ingest", ".", "--set", "colour=red"), 2, "colour: unknown key"),
        (("ingest", "--recipe", "no-such-recipe"), 1, "no-such-recipe"),
        (("search", "anything", "--store", "never"), 1, '"never" does not exist'),
        (("search", "  ", "--store", "never"), 2, "question is empty"),
    ],
)
def test_misuse_is_one_line(cli: Cli, words: tuple[str, ...], code: int, said: str) -> None:
    left, out, err = cli(*words)
    assert left == code
    assert said in err
    assert out == ""
    assert "Traceback" not in err


def test_a_store_keeps_its_embedder(cli: Cli, corpus: Path) -> None:
    cli("ingest", corpus / "people", "--store", "kept")
    code, _, err = cli("ingest", corpus / "people", "--store", "kept", "--set", "embedder=other/embedder")
    assert code == 2
    assert 'the store "kept" was embedded with "all-MiniLM-L6-v2"' in err


def test_an_address_where_no_milvus_is_fails_in_one_line(cli: Cli, corpus: Path) -> None:
    code, _, err = cli("ingest", corpus, "--store", "far", "--set", "milvus_uri=http://127.0.0.1:9")
    assert code == 1
    assert err.startswith("error: Milvus at http://127.0.0.1:9")
    assert len(err.strip().splitlines()) == 1


def test_the_shipped_recipe_fills_a_store(cli: Cli) -> None:
    code, out, _ = cli("ingest", "--recipe", "tiny/ingest-handbook", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["store"] == "handbook"
    assert len(report["added"]) >= 40
    assert report["failed"] == []
