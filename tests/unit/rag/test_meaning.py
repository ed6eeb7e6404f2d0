"""Answers that share few words with their question, and near misses that share many, told apart by the embedder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tunesmith.engines.embedder import open_embedder
from tunesmith.engines.protocols import Embedder
from tunesmith.rag.cite import check_answer
from tunesmith.rag.meaning import Meaning
from tunesmith.records import Source

Make = Callable[..., Source]
NEEDED = 0.6


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder("all-MiniLM-L6-v2")


class Counting:
    """The embedder, and what it was asked for."""

    def __init__(self, embedder: Embedder) -> None:
        self.name = embedder.name
        self.asked: list[tuple[str, ...]] = []
        self._embedder = embedder

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked.append(tuple(texts))
        return self._embedder.embed(texts)


@pytest.fixture
def supported(embedder: Embedder, source: Make) -> Callable[..., list[bool]]:
    """Whether an answer is supported, by words and by meaning."""

    def check(question: str, answer: str, title: str, text: str) -> list[bool]:
        sources = (source(1, text, title=title), source(2, "The canteen opens at 11:30.", document="b.md"))
        by = (None, Meaning(embedder, question))
        return [
            bool(
                check_answer(
                    answer, sources, question=question, context_needed=NEEDED, meaning=meaning
                ).citations
            )
            for meaning in by
        ]

    return check


@pytest.mark.parametrize(
    ("question", "answer", "title", "text"),
    [
        (
            "How quickly must the service desk hear of a lost Lantern key?",
            "two hours",
            "Accounts and passwords",
            "Losing a Lantern key is reported to the service desk within two hours.",
        ),
        (
            "What notice is needed for leave longer than three days?",
            "21 days",
            "Annual leave",
            "A leave request of more than three days must be made at least 21 days ahead.",
        ),
        (
            "What is the longest the Morning Pick can take in minutes?",
            "18 minutes",
            "Meetings",
            "The Morning Pick may not last longer than 18 minutes.",
        ),
        (
            "When do assembly workers on the early shift begin?",
            "05:45",
            "Working hours and shifts",
            "The early shift on the assembly floor starts at 05:45.",
        ),
    ],
)
def test_other_words_of_the_same_meaning_support(
    supported: Callable[..., list[bool]], question: str, answer: str, title: str, text: str
) -> None:
    assert supported(question, answer, title, text) == [False, True]


@pytest.mark.parametrize(
    ("question", "answer", "title", "text"),
    [
        (
            "How much wool is bought at the Harrowdale auction each June?",
            "35 euros",
            "Purchasing and suppliers",
            "Gifts from suppliers worth more than 35 euros are refused politely. "
            "Wool for test weaving is bought at the Harrowdale auction in June.",
        ),
        (
            "What does the red lamp on the Sallow 12 signal?",
            "3.4 square metres",
            "The Sallow 12 ribbon loom",
            "The Sallow 12 stands on a floor space of 3.4 square metres. "
            "A blue lamp on the Sallow 12 signals an empty bobbin.",
        ),
        (
            "How many staff suggestions were adopted last year?",
            "15 per cent",
            "Research projects",
            "The author of an adopted suggestion is rewarded with 15 per cent of the first year's savings.",
        ),
    ],
)
def test_shared_words_of_another_meaning_do_not(
    supported: Callable[..., list[bool]], question: str, answer: str, title: str, text: str
) -> None:
    assert supported(question, answer, title, text) == [True, False]


def test_only_sentences_that_hold_the_answer_are_embedded_and_each_once(
    embedder: Embedder, source: Make
) -> None:
    question, held = "When does the canteen open?", "The canteen opens at 11:30."
    sources = (source(1, f"{held} It has two doors."), source(2, held), source(3, "The works open at 06:00."))
    counting = Counting(embedder)
    check_answer("11:30", sources, question=question, meaning=Meaning(counting, question))
    assert counting.asked == [(question, held)]


def test_a_sentence_that_says_the_opposite_is_as_close_as_nothing() -> None:
    class Opposed:
        name = "opposed"

        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return [[1.0, 0.0], [-1.0, 0.0], [0.6, 0.8]][: len(texts)]

    assert Meaning(Opposed(), "a").closeness(["b", "c"]) == [0.0, pytest.approx(0.6)]
