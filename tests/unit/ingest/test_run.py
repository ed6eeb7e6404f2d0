from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith.config.home import Home
from tunesmith.config.ingest import ChunkConfig, IngestConfig
from tunesmith.errors import ConfigError
from tunesmith.ingest.run import run_ingest

LEAVE = "# Leave\n\nStaff receive twenty-seven days of leave.\n\n## Carrying over\n\nSix days may be carried over."
TRAVEL = "# Travel\n\nTrains are booked in second class."


def fill(bench: Any) -> None:
    bench.write("people/leave.md", LEAVE)
    bench.write("travel.txt", TRAVEL)


def test_files_become_searchable(bench: Any) -> None:
    fill(bench)
    report = bench.ingest()
    assert report.added == ("people/leave.md", "travel.txt")
    assert report.chunks == report.chunks_written == 3
    hit = bench.search("Which class are trains booked in?")[0]
    assert hit.chunk.document == "travel.txt"
    assert hit.chunk.text == TRAVEL[hit.chunk.start : hit.chunk.end]
    assert hit.store == bench.index.store.name


def test_a_second_ingest_changes_nothing(bench: Any) -> None:
    fill(bench)
    bench.ingest()
    ids, embedded = bench.ids, bench.embedded
    report = bench.ingest()
    assert report.unchanged == ("people/leave.md", "travel.txt")
    assert (report.added, report.changed, report.removed, report.chunks_written) == ((), (), (), 0)
    assert bench.ids == ids
    assert bench.embedded == embedded


def test_a_changed_file_replaces_its_own_chunks_only(bench: Any) -> None:
    fill(bench)
    bench.ingest()
    before, travel = bench.ids, bench.index.vectors.chunk_ids(bench.index.store, ["travel.txt"])
    bench.write("people/leave.md", LEAVE.replace("twenty-seven", "thirty"))
    report = bench.ingest()
    assert report.changed == ("people/leave.md",)
    assert report.unchanged == ("travel.txt",)
    assert "thirty days" in bench.found("How many days of leave do staff receive?")[0]
    assert not any("twenty-seven" in text for text in bench.found("twenty-seven days", top_k=10))
    assert travel <= bench.ids
    assert len(bench.ids) == len(before)


def test_a_file_that_shrinks_leaves_nothing_behind(bench: Any) -> None:
    bench.write("long.txt", "\n\n".join(f"# Part {number}\n\nSentence {number}." for number in range(40)))
    assert bench.ingest(batch_size=7).chunks == 40
    bench.write("long.txt", "# Part 0\n\nSentence 0.")
    assert bench.ingest().chunks == 1


def test_another_chunk_length_ingests_anew(bench: Any) -> None:
    bench.write("a.txt", " ".join(f"Sentence number {number} stands here." for number in range(10)))
    first = bench.ingest(chunk_tokens=16)
    second = bench.ingest(chunk_tokens=48)
    assert second.changed == ("a.txt",)
    assert second.chunks < first.chunks


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(bench: Any) -> None:
    fill(bench)
    bench.write("bad.pdf", b"%PDF-1.4 nothing")
    bench.write("bad.csv", b'name,note\n"Doe,x\n' + b"Roe,A sentence of some length.\n" * 6000)
    bench.write("empty.md", "")
    bench.write("picture.png", b"\x89PNG")
    report = bench.ingest()
    assert [failure.path for failure in report.failed] == ["bad.csv", "bad.pdf", "empty.md", "picture.png"]
    assert all(failure.reason for failure in report.failed)
    assert len(report.added) == 2
    assert not report.fruitless


def test_a_file_that_turns_unreadable_keeps_what_the_store_holds(bench: Any) -> None:
    fill(bench)
    bench.ingest()
    bench.write("travel.txt", bytes(range(256)))
    report = bench.ingest(remove_missing=True)
    assert [failure.path for failure in report.failed] == ["travel.txt"]
    assert report.removed == ()
    assert "second class" in bench.found("Which class are trains booked in?")[0]


def test_a_removed_file_stays_until_it_is_to_be_removed(bench: Any) -> None:
    fill(bench)
    bench.ingest()
    (bench.folder / "travel.txt").unlink()
    assert bench.ingest().removed == ()
    assert bench.ingest(remove_missing=True).removed == ("travel.txt",)
    assert not any("second class" in text for text in bench.found("trains second class", top_k=10))
    assert "travel.txt" not in bench.index.catalog.documents(bench.index.store)
    bench.write("travel.txt", TRAVEL)
    assert bench.ingest().added == ("travel.txt",)


def test_a_folder_that_cannot_be_listed_keeps_its_documents(bench: Any, locked: Any) -> None:
    fill(bench)
    bench.ingest()
    (bench.folder / "travel.txt").unlink()
    locked.folders.add(str(bench.folder / "people"))
    report = bench.ingest(remove_missing=True)
    assert report.removed == ("travel.txt",)
    assert [(one.path, one.reason) for one in report.failed] == [
        (str(bench.folder / "people"), "cannot be listed: Permission denied. Check its permissions")
    ]
    assert "twenty-seven" in bench.found("How many days of leave do staff receive?")[0]
    locked.folders.clear()
    assert bench.ingest(remove_missing=True).unchanged == ("people/leave.md",)


def test_a_root_that_cannot_be_listed_loses_nothing(bench: Any, locked: Any) -> None:
    fill(bench)
    bench.ingest()
    locked.folders.add(str(bench.folder))
    report = bench.ingest(remove_missing=True)
    assert (report.removed, len(report.failed), report.fruitless) == ((), 1, True)
    assert len(bench.index.catalog.documents(bench.index.store)) == 2


def test_files_that_cannot_be_looked_at_keep_their_documents(bench: Any, locked: Any) -> None:
    fill(bench)
    bench.ingest()
    locked.files.add(str(bench.folder / "people" / "leave.md"))
    report = bench.ingest(remove_missing=True)
    assert (report.removed, report.unchanged) == ((), ("travel.txt",))
    assert [one.path for one in report.failed] == [str(bench.folder / "people" / "leave.md")]


def test_documents_of_other_folders_are_not_missing(bench: Any, tmp_path: Path) -> None:
    fill(bench)
    other = tmp_path / "other"
    other.mkdir()
    (other / "faq.md").write_text("# FAQ\n\nAsk the desk.")
    bench.ingest(bench.folder)
    report = bench.ingest(other, remove_missing=True)
    assert report.removed == ()
    assert len(bench.index.catalog.documents(bench.index.store)) == 3


def test_a_document_belongs_to_the_folder_it_was_last_found_in(bench: Any, tmp_path: Path) -> None:
    fill(bench)
    bench.ingest()
    moved = bench.folder.rename(tmp_path / "moved")
    assert len(bench.ingest(moved).unchanged) == 2
    (moved / "travel.txt").unlink()
    assert bench.ingest(moved, remove_missing=True).removed == ("travel.txt",)


def test_a_newer_edition_in_another_folder_replaces_the_older(bench: Any, tmp_path: Path) -> None:
    fill(bench)
    bench.ingest()
    edition = tmp_path / "2026-07" / "people"
    edition.mkdir(parents=True)
    (edition / "leave.md").write_text(LEAVE.replace("twenty-seven", "twenty-nine"))
    assert bench.ingest(edition.parent).changed == ("people/leave.md",)
    assert "twenty-nine" in bench.found("How many days of leave do staff receive?")[0]


def test_vectors_that_were_lost_are_made_again(bench: Any) -> None:
    fill(bench)
    bench.ingest()
    ids = bench.ids
    lost = bench.index.vectors.chunk_ids(bench.index.store, ["travel.txt"])
    bench.index.vectors.delete(bench.index.store, sorted(lost))
    report = bench.ingest()
    assert report.changed == ("travel.txt",)
    assert report.unchanged == ("people/leave.md",)
    assert bench.ids == ids


def test_names_with_any_letter_are_kept_and_odd_ones_refused(bench: Any) -> None:
    names = ['it\'s "quoted".md', "weiß & größer.md", "部長.md", "back\\slash.md"]
    for name in names:
        bench.write(name, f"# {name}\n\nText of it.")
    bench.write("two\nlines.md", "# Two\n\nText.")
    report = bench.ingest()
    assert sorted(report.added) == sorted(names)
    assert [failure.path for failure in report.failed] == ["two\nlines.md"]
    assert len(bench.ingest().unchanged) == 4


def test_a_chunk_longer_than_the_embedder_reads_is_refused(bench: Any) -> None:
    fill(bench)
    with pytest.raises(ConfigError, match=r"chunk.chunk_tokens=300 is more than the 254 tokens"):
        bench.ingest(chunk_tokens=300)


def test_progress_is_told(bench: Any) -> None:
    fill(bench)
    bench.write("bad.pdf", b"no")
    told: list[tuple[str, int, int]] = []

    class Recorder:
        def waiting(self, what: str) -> None:
            raise AssertionError(what)

        def files(self, total: int) -> None:
            told.append(("files", total, 0))

        def advance(self, files: int, chunks: int) -> None:
            told.append(("done", files, chunks))

    bench.ingest(progress=Recorder())
    assert told[0] == ("files", 3, 0)
    assert sum(files for what, files, _ in told if what == "done") == 3
    assert sum(chunks for what, _, chunks in told if what == "done") == 3


def test_remove_missing_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A")
    config = IngestConfig(paths=(str(tmp_path / "a.md"),), remove_missing=True)
    with pytest.raises(ConfigError, match=r"remove_missing=true, but .*a\.md is no folder"):
        run_ingest(config, home=Home(tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_an_overlap_beyond_half_a_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="chunk_overlap=20 is more than half"):
        ChunkConfig(chunk_tokens=32, chunk_overlap=20)
