"""The hand-written source of the handbook: its data model and its loader."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FORMATS = ("md", "html", "txt", "pdf", "docx")
QUESTIONS_PER_FACT = 2
SOURCE_PATH = Path(__file__).with_name("facts.yaml")


class SourceError(ValueError):
    """The source file breaks one of the rules of the handbook."""


@dataclass(frozen=True)
class Revision:
    """What a fact says in the later edition.

    Attributes:
        text: The sentence that replaces the earlier one.
        answer: The span of that sentence that answers the fact's questions.
    """

    text: str
    answer: str


@dataclass(frozen=True)
class Fact:
    """One sentence of the handbook, with the questions that it answers.

    Attributes:
        id: Name of the fact, unique over the handbook.
        text: The sentence as printed.
        answer: Span of the sentence that answers the questions.
        accepted: Other forms of the answer that count as right.
        questions: Two wordings of the question.
        section: Heading that this fact opens, or None when it continues a section.
        revised: The fact in the later edition, or None when it does not change.
    """

    id: str
    text: str
    answer: str
    accepted: tuple[str, ...]
    questions: tuple[str, ...]
    section: str | None
    revised: Revision | None


@dataclass(frozen=True)
class Document:
    """One file of the handbook.

    Attributes:
        path: Path inside an edition, with forward slashes.
        title: Title as printed.
        format: One of `FORMATS`, and the suffix of the path.
        intro: Sentence printed under the title; it states no fact.
        facts: The facts in printing order.
    """

    path: str
    title: str
    format: str
    intro: str
    facts: tuple[Fact, ...]

    @property
    def is_revised(self) -> bool:
        """Whether any fact of the document changes in the later edition."""
        return any(fact.revised for fact in self.facts)


@dataclass(frozen=True)
class Handbook:
    """The whole source.

    Attributes:
        notice: Sentence that marks the company as invented.
        documents: All documents, in source order.
        unanswerable: Questions that no edition answers.
    """

    notice: str
    documents: tuple[Document, ...]
    unanswerable: tuple[str, ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts, in source order."""
        return tuple(fact for document in self.documents for fact in document.facts)


def load_handbook(path: Path = SOURCE_PATH) -> Handbook:
    """Read and check the source file.

    Args:
        path: The YAML file to read.

    Returns:
        The handbook that the file describes.

    Raises:
        SourceError: If a key is missing or a rule of the handbook is broken.
    """
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        handbook = Handbook(
            notice=raw["notice"],
            documents=tuple(_parse_document(item) for item in raw["documents"]),
            unanswerable=tuple(raw["unanswerable"]),
        )
    except (KeyError, TypeError) as error:
        raise SourceError(f"{path.name}: bad or missing key: {error}") from error
    _check_handbook(handbook)
    return handbook


def _parse_document(raw: dict[str, Any]) -> Document:
    return Document(
        path=raw["path"],
        title=raw["title"],
        format=raw["format"],
        intro=raw["intro"],
        facts=tuple(_parse_fact(item) for item in raw["facts"]),
    )


def _parse_fact(raw: dict[str, Any]) -> Fact:
    revised = raw.get("revised")
    return Fact(
        id=raw["id"],
        text=raw["text"],
        answer=raw["answer"],
        accepted=tuple(raw["accepted"]),
        questions=tuple(raw["questions"]),
        section=raw.get("section"),
        revised=Revision(text=revised["text"], answer=revised["answer"]) if revised else None,
    )


def _check_handbook(handbook: Handbook) -> None:
    for document in handbook.documents:
        _check_document(document)
    questions = [question for fact in handbook.facts for question in fact.questions]
    _check_unique("path", (document.path for document in handbook.documents))
    _check_unique("fact id", (fact.id for fact in handbook.facts))
    _check_unique("question", (*questions, *handbook.unanswerable), str.casefold)


def _check_document(document: Document) -> None:
    if document.format not in FORMATS or not document.path.endswith(f".{document.format}"):
        raise SourceError(f"{document.path}: format {document.format!r} does not fit")
    if not document.facts or document.facts[0].section is None:
        raise SourceError(f"{document.path}: the first fact must open a section")
    for fact in document.facts:
        _check_fact(fact)


def _check_fact(fact: Fact) -> None:
    if len(fact.questions) != QUESTIONS_PER_FACT:
        raise SourceError(f"{fact.id}: expected {QUESTIONS_PER_FACT} questions")
    if fact.answer not in fact.text:
        raise SourceError(f"{fact.id}: the answer does not occur in the text")
    if fact.revised and fact.revised.answer not in fact.revised.text:
        raise SourceError(f"{fact.id}: the revised answer does not occur in the revised text")


def _check_unique(what: str, values: Iterable[str], key: Callable[[str], str] = str) -> None:
    seen: set[str] = set()
    for value in values:
        if key(value) in seen:
            raise SourceError(f"{what} given twice: {value!r}")
        seen.add(key(value))
