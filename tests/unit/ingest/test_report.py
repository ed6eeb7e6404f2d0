from __future__ import annotations

from dataclasses import replace

from tunesmith.ingest.report import Failure, IngestReport

REPORT = IngestReport(
    store="faq",
    added=("a.md", "b.md"),
    changed=("c.md",),
    unchanged=("d.md",),
    removed=(),
    failed=(Failure("e.pdf", "is a scan"),),
    chunks=12,
    chunks_written=9,
    seconds=1.26,
)


def test_a_person_gets_one_line() -> None:
    assert (
        REPORT.summary()
        == "faq: 2 added, 1 changed, 1 unchanged, 1 unreadable; 12 chunks, 9 written in 1.3 s"
    )


def test_a_program_gets_everything() -> None:
    assert REPORT.as_json() == {
        "store": "faq",
        "added": ["a.md", "b.md"],
        "changed": ["c.md"],
        "unchanged": 1,
        "removed": [],
        "failed": [{"document": "e.pdf", "reason": "is a scan"}],
        "chunks": 12,
        "chunks_written": 9,
        "seconds": 1.26,
    }


def test_only_an_ingest_that_read_or_removed_nothing_is_fruitless() -> None:
    nothing = replace(REPORT, added=(), changed=(), unchanged=())
    assert nothing.fruitless
    assert not replace(nothing, unchanged=("a.md",)).fruitless
    assert not replace(nothing, removed=("a.md",)).fruitless
