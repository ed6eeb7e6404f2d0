"""The citation check on the sample corpus: each question with its evidence among sentences of several pages."""

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tunesmith.assets import handbook_folder
from tunesmith.rag.cite import check_answer
from tunesmith.rag.forms import say_house
from tunesmith.records import Answer, Chunk, Hit, Source

AUXILIARY = re.compile(r"\b(is|are|was|were|may|must|can|will|should)\b(?! not)")
NEGATION = re.compile(r"\b(?:not|never) ")
QUESTIONS = handbook_folder().parent / "questions"


@dataclass(frozen=True)
class Case:
    question: str
    answer: str
    sources: tuple[Source, ...]
    right: int
    evidence: str

    def check(self, answer: str, *numbers: int) -> Answer:
        return check_answer(say_house(answer, numbers), self.sources, question=self.question)


def rows() -> Iterator[dict[str, str]]:
    for name in ("train", "evaluation"):
        for line in (QUESTIONS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["answer"]:
                yield row


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    pages = defaultdict(set)
    for row in rows():
        pages[row["document"]].add(row["evidence"])
    chance = random.Random(2)
    return [lay(row, pages, chance) for row in rows()]


def lay(row: dict[str, str], pages: dict[str, set[str]], chance: random.Random) -> Case:
    here = sorted(pages[row["document"]] - {row["evidence"]})
    elsewhere = [
        (sentence, page)
        for page in sorted(pages)
        if page != row["document"]
        for sentence in sorted(pages[page])
    ]
    shown = [(row["evidence"], row["document"]), *((sentence, row["document"]) for sentence in here[:4])]
    shown += chance.sample(elsewhere, 4)
    chance.shuffle(shown)
    sources = tuple(
        Source(number, Hit(Chunk(f"{page}:{text}", page, "", 0, 0, len(text), text), 1.0, "handbook"))
        for number, (text, page) in enumerate(shown, 1)
    )
    right = next(source.number for source in sources if source.hit.chunk.text == row["evidence"])
    return Case(row["question"], row["answer"], sources, right, row["evidence"])


def share(marks: list[bool]) -> float:
    return sum(marks) / len(marks)


def test_right_citations_are_verified(cases: list[Case]) -> None:
    checked = [case.check(case.answer, case.right).citations for case in cases]
    assert share([bool(found) and found[0].status == "verified" for found in checked]) >= 0.99


def test_missing_citations_are_attributed_to_the_evidence(cases: list[Case]) -> None:
    checked = [case.check(case.answer).citations for case in cases]
    assert (
        share(
            [
                bool(found) and found[0].number == case.right
                for case, found in zip(cases, checked, strict=True)
            ]
        )
        >= 0.99
    )


def test_wrong_citations_are_not_verified(cases: list[Case]) -> None:
    checked = [case.check(case.answer, case.right % len(case.sources) + 1).citations for case in cases]
    assert share([bool(found) and found[0].status == "verified" for found in checked]) <= 0.01


def test_the_answer_to_another_question_is_not_supported(cases: list[Case]) -> None:
    others = [*cases[200:], *cases[:200]]
    checked = [
        case.check(other.answer, case.right).citations
        for case, other in zip(cases, others, strict=True)
        if other.answer != case.answer
    ]
    assert share([bool(found) for found in checked]) <= 0.02


@pytest.mark.parametrize(
    "lead", ["", "Yes, ", "According to [{}], ", "Source [{}] says that ", "Yes, as stated in [{}], "]
)
def test_whole_sentences_are_verified_whatever_leads_to_them(cases: list[Case], lead: str) -> None:
    checked = [
        check_answer(
            f"{lead.format(case.right)}{case.evidence.rstrip('.')} [{case.right}].",
            case.sources,
            question=case.question,
        ).citations
        for case in cases
    ]
    assert share([bool(found) and found[0].status == "verified" for found in checked]) >= 0.99


def test_the_evidence_turned_round_is_not_supported(cases: list[Case]) -> None:
    turned = [(case, turn(case.evidence)) for case in cases if turn(case.evidence) != case.evidence]
    checked = [case.check(claim, case.right).citations for case, claim in turned]
    assert len(turned) > 300
    assert share([bool(found) for found in checked]) <= 0.03


def turn(evidence: str) -> str:
    """Take a negation away, or put one in."""
    found = NEGATION.search(evidence)
    return NEGATION.sub("", evidence, count=1) if found else AUXILIARY.sub(r"\1 not", evidence, count=1)
