from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from dataclasses import replace

import pytest

from tunesmith.datasets.reading.conversation import Conversation, ConversationMaker, Shape
from tunesmith.datasets.reading.names import split_of
from tunesmith.rag.prompt import ABSTENTION

SHAPES = [Shape(), Shape(split="evaluation", held_out_phrasings=True), Shape(max_sources=2, drills=0.5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_stands_in_the_source_it_names(shape: Shape) -> None:
    maker = ConversationMaker(shape, seed=5)
    for conversation in (maker.make() for _ in range(200)):
        for turn in conversation.turns:
            if turn.value is not None and turn.number is not None:
                assert turn.value.lower() in conversation.sources[turn.number - 1].lower()


def test_what_is_not_stated_is_refused() -> None:
    maker = ConversationMaker(Shape(unanswerable=1.0, max_questions=2), seed=5)
    turns = [turn for _ in range(50) for turn in maker.make().turns]
    assert turns
    assert all(turn.answer == ABSTENTION for turn in turns)


def test_equal_seeds_make_equal_conversations() -> None:
    first, second = (ConversationMaker(Shape(), seed=11) for _ in range(2))
    assert [first.make() for _ in range(20)] == [second.make() for _ in range(20)]
    assert ConversationMaker(Shape(), seed=12).make() != ConversationMaker(Shape(), seed=11).make()


def test_names_of_the_evaluation_side_never_occur_in_training() -> None:
    invented = re.compile(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b")
    makers = [ConversationMaker(Shape(split=split), seed=3) for split in ("train", "evaluation")]
    pairs = [
        {name for _ in range(150) for s in maker.make().sources for name in invented.findall(s)}
        for maker in makers
    ]
    assert len(pairs[0]) > 100
    assert not {
        name
        for name in pairs[0] & pairs[1]
        if all(len(word) > 3 and split_of(word) == "evaluation" for word in name.split())
    }


def test_held_out_phrasings_never_occur_in_training() -> None:
    maker = ConversationMaker(Shape(), seed=9)
    text = " ".join(turn.question for _ in range(2000) for turn in maker.make().turns)
    assert "What would be the" not in text  # the held-out question frame of attributes
    assert "What is the" in text


def test_the_chat_opens_with_the_sources_and_alternates() -> None:
    conversation = ConversationMaker(Shape(), seed=2).make()
    messages = conversation.messages()
    assert [message.role for message in messages[:3]] == ["system", "user", "assistant"]
    before, _, after = messages[1].content.partition("\n\nSources:\n[1] ")
    assert sorted(before.splitlines()) == sorted(f"Question: {turn.question}" for turn in conversation.turns)
    assert after.endswith(f"\n\nQuestion: {conversation.turns[0].question}")
    assert all(a.role != b.role for a, b in itertools.pairwise(messages))


def test_disguised_words_are_the_same_in_sources_and_questions() -> None:
    shape = Shape(unanswerable=0, disguised=1.0, events=0.0)
    plain, disguised = (ConversationMaker(replace(shape, disguised=share), seed=5) for share in (0.0, 1.0))
    shared = [
        [
            len(_words(turn.question) & _words(" ".join(made.sources)))
            for made in _many(maker)
            for turn in made.turns
        ]
        for maker in (plain, disguised)
    ]
    before, after = (sum(counts) / len(counts) for counts in shared)
    assert after > 0.8 * before
    for made in _many(disguised):
        for turn in made.turns:
            assert turn.value is not None
            assert turn.number is not None
            assert turn.value.lower() in made.sources[turn.number - 1].lower()


def _many(maker: ConversationMaker) -> list[Conversation]:
    return [maker.make() for _ in range(200)]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\b[a-z]{4,}\b", text))


def test_a_question_may_use_another_word_than_the_sentence() -> None:
    maker = ConversationMaker(Shape(unanswerable=0, events=1.0, max_questions=1), seed=6)
    made = [conversation for _ in range(8) for conversation in _many(maker)]
    asked = [(turn.question.lower(), " ".join(one.sources).lower()) for one in made for turn in one.turns]
    assert any(" mend" in question and "repair" in told for question, told in asked) or any(
        word in question and word not in told
        for word in (" booked", " shut", " authorised", " purchased", " dispatched")
        for question, told in asked
    )


def test_sources_stand_as_a_search_for_the_first_question_returns_them() -> None:
    first = {
        ranked: Counter(
            conversation.turns[0].number == 1
            for conversation in _many(
                ConversationMaker(
                    Shape(max_sources=3, max_sentences=2, unanswerable=0, ranked=ranked), seed=8
                )
            )
            if len(conversation.sources) == 3
        )
        for ranked in (0.0, 1.0)
    }
    shares = {ranked: counted[True] / counted.total() for ranked, counted in first.items()}
    assert shares[0.0] < 0.5
    assert shares[1.0] > 0.85


def test_answers_in_a_form_have_the_keys_that_the_instructions_show_and_never_those_of_the_house() -> None:
    maker = ConversationMaker(Shape(forms=1.0, unanswerable=0.3), seed=4)
    refused = 0
    for conversation in (maker.make() for _ in range(200)):
        for turn in conversation.turns:
            said = json.loads(turn.answer)
            assert all(f'"{key}"' in conversation.instructions for key in said)
            assert list(said) != ["answer", "sources"]
            assert list(said.values()) == [turn.value, [] if turn.number is None else [turn.number]]
            refused += turn.value is None
    assert refused > 20
