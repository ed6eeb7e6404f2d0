"""An ingest that is killed, or that runs twice at once, loses nothing and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunesmith.config.home import Home
from tunesmith.stores.database import open_home_database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.milvus import open_vectors

RUNNER = str(Path(__file__).with_name("ingest_runner.py"))


class Runner:
    """Starts ingests that may be killed; see ingest_runner.py."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._process = subprocess.Popen(
            [sys.executable, RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ingest(
        self, *folders: Path, home: Path, fatal: str = "", calls: int = 0, uri: str | None = None
    ) -> list[Any]:
        """Ingest folders at the same time; the reports, or the exit codes of runs that did not end well."""
        reports = [self._scratch / f"{number}.json" for number in range(len(folders))]
        runs = [
            {
                "folder": str(folder),
                "home": str(home),
                "fatal": fatal,
                "calls": calls,
                "uri": uri,
                "report": str(report),
            }
            for folder, report in zip(folders, reports, strict=True)
        ]
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(runs) + "\n")
        self._process.stdin.flush()
        ended = json.loads(self._process.stdout.readline())
        return [code or json.loads(report.read_text()) for code, report in zip(ended, reports, strict=True)]

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    started = Runner(tmp_path_factory.mktemp("reports"))
    yield started
    started.close()


def fill(folder: Path, *, word: str, documents: int = 4, sections: int = 3) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(documents):
        parts = [f"# Part {part}\n\nDocument {number} says {word} here." for part in range(sections)]
        (folder / f"{number}.md").write_text("\n\n".join(parts))


def state(home: Path, uri: str | None = None) -> tuple[dict[str, int], set[str]]:
    """Chunks by document as the rows say, after comparing them with the vectors; and all texts."""
    database, vectors = open_home_database(Home(home)), open_vectors(Home(home), uri)
    try:
        catalog = DocumentCatalog(database, "default")
        store = catalog.store("faq")
        rows = {path: record.num_chunks for path, record in catalog.documents(store).items()}
        assert dict(vectors.chunk_counts(store)) == rows
        hits = vectors.search([store], "says", vector=[0.125] * 64, top_k=200, candidates=200)
        return rows, {hit.chunk.text for hit in hits}
    finally:
        vectors.close()
        database.close()


@pytest.mark.parametrize(
    ("fatal", "calls"),
    [
        ("begin", 0),
        ("upsert", 0),
        ("upsert", 2),
        ("stale", 0),
        ("stale", 1),
        ("finish", 0),
        ("finish", 1),
        ("forget", 0),
    ],
)
def test_an_ingest_killed_anywhere_is_repaired_by_the_next(
    runner: Runner, tmp_path: Path, fatal: str, calls: int
) -> None:
    folder, home = tmp_path / "docs", tmp_path / "home"
    fill(folder, word="old", sections=5)
    assert runner.ingest(folder, home=home)[0]["chunks"] == 20
    fill(folder, word="new", sections=3)
    (folder / "3.md").unlink()
    assert runner.ingest(folder, home=home, fatal=fatal, calls=calls) == [-signal.SIGKILL]
    (report,) = runner.ingest(folder, home=home)
    rows, texts = state(home)
    assert rows == {"0.md": 3, "1.md": 3, "2.md": 3}
    assert len(texts) == report["chunks"] == 9
    assert all("new" in text for text in texts)


def test_a_file_set_back_after_a_kill_is_ingested_again(runner: Runner, tmp_path: Path) -> None:
    folder, home = tmp_path / "docs", tmp_path / "home"
    fill(folder, word="old", documents=1)
    runner.ingest(folder, home=home)
    fill(folder, word="new", documents=1)
    assert runner.ingest(folder, home=home, fatal="finish") == [-signal.SIGKILL]
    fill(folder, word="old", documents=1)
    assert runner.ingest(folder, home=home)[0]["changed"] == ["0.md"]
    assert all("old" in text for text in state(home)[1])


def test_two_ingests_at_once_do_no_harm(runner: Runner, tmp_path: Path) -> None:
    folder, home = tmp_path / "docs", tmp_path / "home"
    fill(folder, word="same")
    reports = runner.ingest(folder, folder, home=home)
    assert sorted(len(report["added"]) for report in reports) == [0, 4]
    rows, texts = state(home)
    assert rows == {f"{number}.md": 3 for number in range(4)}
    assert len(texts) == 12


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("milvus-lite")),
        "server",
        "--data-dir",
        str(tmp_path / "served"),
    ]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def test_two_versions_at_once_through_one_server_end_in_one_of_them(
    runner: Runner, tmp_path: Path, server: str
) -> None:
    home = tmp_path / "home"
    for word in ("one", "two"):
        fill(tmp_path / word, word=word)
    reports = runner.ingest(tmp_path / "one", tmp_path / "two", home=home, uri=server)
    assert all(report["chunks"] == 12 for report in reports)
    rows, texts = state(home, server)
    assert rows == {f"{number}.md": 3 for number in range(4)}
    assert len({("one" if "one" in text else "two") for text in texts}) == 1
