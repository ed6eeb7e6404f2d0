"""The sample handbook: its source, its built files and its question files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import docx
import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from tunesmith.assets.handbook.build import GENERATED_FOLDERS, build
from tunesmith.assets.handbook.source import FORMATS, SOURCE_PATH, Handbook, SourceError, load_handbook

PACKAGE = SOURCE_PATH.parent


@pytest.fixture(scope="module")
def handbook() -> Handbook:
    """The source as shipped."""
    return load_handbook()


def extract_text(path: Path) -> str:
    """Return the text of a built document with its whitespace normalised."""
    if path.suffix == ".pdf":
        text = "\n".join(page.extract_text() for page in PdfReader(path).pages)
    elif path.suffix == ".docx":
        text = "\n".join(paragraph.text for paragraph in docx.Document(str(path)).paragraphs)
    elif path.suffix == ".html":
        text = BeautifulSoup(path.read_bytes(), "html.parser").get_text(" ")
    else:
        text = path.read_text(encoding="utf-8")
    return " ".join(text.split())


def read_rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of a shipped question file."""
    text = (PACKAGE / "questions" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def read_tree(root: Path) -> dict[str, bytes]:
    """Return the content of every generated file under a folder."""
    files = (path for name in GENERATED_FOLDERS for path in (root / name).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_source_is_large_and_varied(handbook: Handbook) -> None:
    """The corpus has the promised size and all five formats."""
    assert len(handbook.documents) >= 40
    assert {document.format for document in handbook.documents} == set(FORMATS)
    assert len(handbook.facts) >= 370
    assert len(handbook.unanswerable) >= 150
    assert sum(fact.revised is not None for fact in handbook.facts) >= 40


def test_facts_are_well_formed(handbook: Handbook) -> None:
    """Each sentence is of sensible length, and its answer occurs in it exactly once."""
    for fact in handbook.facts:
        versions = [(fact.text, fact.answer)]
        if fact.revised:
            versions.append((fact.revised.text, fact.revised.answer))
        for text, answer in versions:
            assert 8 <= len(text.split()) <= 22, fact.id
            assert text.count(answer) == 1, fact.id
            assert 1 <= len(answer.split()) <= 5, fact.id


def test_ids_and_questions_are_unique(handbook: Handbook) -> None:
    """No id and no question is used twice."""
    ids = Counter(fact.id for fact in handbook.facts)
    questions = Counter(question for fact in handbook.facts for question in fact.questions)
    questions.update(handbook.unanswerable)
    assert max(ids.values()) == 1
    assert max(questions.values()) == 1


def test_built_documents_contain_every_fact(handbook: Handbook) -> None:
    """Each sentence can be read back from the file of each edition."""
    for document in handbook.documents:
        january = extract_text(PACKAGE / "2026-01" / document.path)
        for fact in document.facts:
            assert fact.text in january, fact.id
        july_path = PACKAGE / "2026-07" / document.path
        assert july_path.exists() == document.is_revised, document.path
        july = extract_text(july_path) if document.is_revised else ""
        for fact in document.facts if document.is_revised else ():
            assert (fact.revised or fact).text in july, fact.id
            assert fact.revised is None or fact.text not in july, fact.id


def test_documents_name_edition_and_notice(handbook: Handbook) -> None:
    """Documents carry their edition, and those with metadata say that the company is invented."""
    for document in handbook.documents:
        path = PACKAGE / "2026-01" / document.path
        assert "edition of January 2026" in extract_text(path)
        if document.format == "pdf":
            metadata = PdfReader(path).metadata
            assert metadata is not None
            assert metadata.subject == handbook.notice
        elif document.format == "docx":
            assert docx.Document(str(path)).core_properties.comments == handbook.notice
        elif document.format in {"md", "html"}:
            assert handbook.notice in path.read_text(encoding="utf-8")


def test_some_pdfs_have_two_pages(handbook: Handbook) -> None:
    """At least one PDF runs over more than one page."""
    paths = [PACKAGE / "2026-01" / document.path for document in handbook.documents]
    assert any(len(PdfReader(path).pages) >= 2 for path in paths if path.suffix == ".pdf")


def test_question_files_are_large_enough() -> None:
    """Both files hold enough answerable and unanswerable questions."""
    for name, answerable, unanswerable in (("train.jsonl", 350, 70), ("evaluation.jsonl", 200, 60)):
        answered = Counter(row["answer"] is not None for row in read_rows(name))
        assert answered[True] >= answerable
        assert answered[False] >= unanswerable


def test_question_files_do_not_overlap() -> None:
    """No question is on both sides, and `seen` tells whether its fact is."""
    train, evaluation = read_rows("train.jsonl"), read_rows("evaluation.jsonl")
    assert not {row["question"] for row in train} & {row["question"] for row in evaluation}
    train_facts = {row["fact"] for row in train} - {None}
    assert all(row["seen"] == (row["fact"] in train_facts) for row in evaluation)
    assert any(row["seen"] for row in evaluation)
    assert not any(row["seen"] for row in train)


def test_updates_change_the_answer(handbook: Handbook) -> None:
    """There is one update for each revised fact, and it changes something."""
    rows = read_rows("updates.jsonl")
    assert [row["id"] for row in rows] == [fact.id for fact in handbook.facts if fact.revised]
    assert all(row["before"] != row["after"] for row in rows)


def test_rebuild_is_identical(tmp_path: Path) -> None:
    """Two builds in different folders, and a build over an earlier one, give the same bytes."""
    build(tmp_path / "first")
    build(tmp_path / "second")
    first = read_tree(tmp_path / "first")
    assert first == read_tree(tmp_path / "second")
    build(tmp_path / "second")
    assert first == read_tree(tmp_path / "second")


def test_shipped_files_are_up_to_date(tmp_path: Path) -> None:
    """The shipped files say what a fresh build says; compressed formats are compared by their text."""
    build(tmp_path)
    fresh, shipped = read_tree(tmp_path), read_tree(PACKAGE)
    assert fresh.keys() == shipped.keys()
    for name in fresh:
        if name.endswith((".pdf", ".docx")):
            assert extract_text(tmp_path / name) == extract_text(PACKAGE / name), name
        else:
            assert fresh[name] == shipped[name], name


def test_broken_source_is_refused(tmp_path: Path) -> None:
    """An answer that is missing from its sentence, or a missing key, is an error."""
    broken = tmp_path / "facts.yaml"
    source = SOURCE_PATH.read_text(encoding="utf-8")
    broken.write_text(source.replace('answer: "27 days"', 'answer: "28 days"'), encoding="utf-8")
    with pytest.raises(SourceError, match="annual-leave-days"):
        load_handbook(broken)
    broken.write_text("notice: only\n", encoding="utf-8")
    with pytest.raises(SourceError, match="documents"):
        load_handbook(broken)
