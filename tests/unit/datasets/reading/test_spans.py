"""Values of several words: every kind is made, asked for, and stands whole in its source, with more behind it."""

from __future__ import annotations

import random

import pytest

from tunesmith.datasets.reading import conversation
from tunesmith.datasets.reading.conversation import ConversationMaker, Shape
from tunesmith.datasets.reading.names import NameMaker
from tunesmith.datasets.reading.phrases import PhraseMaker
from tunesmith.datasets.reading.relations import load_relations
from tunesmith.datasets.reading.spans import SPAN_KINDS, SpanMaker

SPANS = Shape(unanswerable=0, events=0, spans=1.0, max_questions=1)


@pytest.fixture
def maker() -> SpanMaker:
    rng = random.Random(3)
    names = NameMaker(rng, "train")
    return SpanMaker(rng, names, PhraseMaker(rng, names))


@pytest.mark.parametrize("kind", SPAN_KINDS)
def test_a_kind_has_many_values_and_relations_that_ask_for_it(maker: SpanMaker, kind: str) -> None:
    values = {maker.kinds()[kind]() for _ in range(200)}
    assert len(values) > (20 if kind == "scale" else 60)
    assert all(value == value.strip() and "  " not in value for value in values)
    assert sum(relation.value == kind for relation in load_relations()) == 7


def test_most_values_are_several_words_long_and_end_before_their_sentence_does() -> None:
    maker = ConversationMaker(SPANS, seed=8)
    turns = [(made, made.turns[0]) for made in (maker.make() for _ in range(300))]
    long = [(made, turn) for made, turn in turns if " " in (turn.value or "")]
    assert len(long) > len(turns) / 2
    ends = [
        made.sources[turn.number - 1].rstrip(".").endswith(turn.value) for made, turn in long if turn.number
    ]
    assert sum(ends) < len(ends) / 2


def test_two_things_are_said_of_one_and_sometimes_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def joints(share: float) -> int:
        monkeypatch.setattr(conversation, "_JOINED", share)
        maker = ConversationMaker(Shape(unanswerable=0, events=0, max_sources=1, max_sentences=3), seed=8)
        sources = [source for made in (maker.make() for _ in range(300)) for source in made.sources]
        return sum(joint in source for source in sources for joint in set(conversation._JOINTS))

    assert joints(1.0) > joints(0.0) + 30  # seen: 101 and 56
