"""Training sets from a corpus: the number of the right source is learned, and when to refuse."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tunesmith.config.data import BuildDocumentsConfig
from tunesmith.config.evaluate import HOUSE_INSTRUCTIONS
from tunesmith.datasets.grounded import Question, build_rows, holds_evidence, load_questions
from tunesmith.errors import DataError
from tunesmith.rag.prompt import build_messages
from tunesmith.records import Chunk, Hit, Message, Source

FACTS = {f"thing {letter}": f"The colour of thing {letter} is c-{letter}." for letter in "abcdefghij"}


def _source(number: int, text: str) -> Source:
    return Source(number, Hit(Chunk(text, "doc.md", "Doc", 0, 0, len(text), text), 1.0, "documents"))


def _find(question: str) -> list[Source]:
    """Every fact, the asked one first if there is one: a retrieval that is never wrong."""
    texts = sorted(
        FACTS.values(), key=lambda text: not any(name in question and name in text for name in FACTS)
    )
    return [_source(number, text) for number, text in enumerate(texts, 1)]


def _questions(count: int = 200) -> list[Question]:
    rng, questions = random.Random(3), []
    for _ in range(count):
        name = rng.choice(list(FACTS))
        questions.append(Question(f"What colour is {name}?", f"c-{name[-1]}", FACTS[name]))
    return questions


def _answer(row: tuple[Message, ...]) -> dict[str, object]:
    return json.loads(row[-1].content)


def _grounded(rows: tuple[tuple[Message, ...], ...]) -> list[tuple[Message, ...]]:
    return [row for row in rows if "Sources:" in row[1].content]


def test_only_a_line_feed_ends_a_question(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    rows = [{"question": f"Who{mark}is it?", "answer": None} for mark in ("\u2028", "\u0085", "\r")]
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())
    assert [question.text for question in load_questions(path)] == [row["question"] for row in rows]


def test_named_source_is_the_one_that_holds_the_answer() -> None:
    made = build_rows(_questions(), _find, BuildDocumentsConfig(left_out=0.2))
    for row in _grounded(made.rows):
        answer = _answer(row)
        shown = row[1].content.split("\n\n")[1].splitlines()[1:]
        holders = [number for number, line in enumerate(shown, 1) if str(answer["answer"]) in line]
        assert answer["sources"] == (holders if answer["answer"] else [])


def test_sources_stand_in_the_order_of_the_search() -> None:
    def find_last(question: str) -> list[Source]:
        """The asked fact last: a retrieval that ranks badly."""
        return [
            _source(number, source.hit.chunk.text)
            for number, source in enumerate(reversed(_find(question)), 1)
        ]

    config = BuildDocumentsConfig(left_out=0, fewer_sources=0)
    for find, place in ((_find, 1), (find_last, config.retrieval.top_k)):
        rows = _grounded(build_rows(_questions(), find, config).rows)
        assert {_answer(row)["sources"][0] for row in rows} == {place}  # type: ignore[index]


def test_left_out_source_is_refused() -> None:
    config = BuildDocumentsConfig(left_out=1, closed_book=0, fewer_sources=0)
    made = build_rows(_questions(20), _find, config)
    assert made.counts["left_out"] == len(made.rows) == 40
    for row in made.rows:
        assert _answer(row) == {"answer": None, "sources": []}
        asked = next(name for name in FACTS if name in row[1].content.splitlines()[0])
        shown = [fact for fact in FACTS.values() if fact in row[1].content]
        assert FACTS[asked] not in shown
        assert len(shown) == config.retrieval.top_k


def test_unanswerable_question_is_refused() -> None:
    made = build_rows([Question("Who knows?", None, None)], _find, BuildDocumentsConfig(closed_book=1))
    assert [_answer(row) for row in made.rows] == [{"answer": None, "sources": []}] * 3
    assert made.counts == {"grounded": 0, "left_out": 0, "unanswerable": 2, "closed_book": 1, "missed": 0}


def test_question_that_retrieval_misses_is_not_taught_as_refusal() -> None:
    made = build_rows([Question("What?", "x", "Nowhere.")], _find, BuildDocumentsConfig(closed_book=1))
    assert made.counts["missed"] == 1
    assert [row[1].content for row in made.rows] == ["What?"]


def test_closed_book_row_is_the_bare_question_with_the_same_instructions() -> None:
    made = build_rows(_questions(5), _find, BuildDocumentsConfig(closed_book=1))
    bare = [row for row in made.rows if "Sources:" not in row[1].content]
    assert len(bare) == 5
    for row in bare:
        assert row[0].content == HOUSE_INSTRUCTIONS
        assert row[1].content.startswith("What colour is thing ")
        assert _answer(row) == {"answer": None, "sources": []}


def test_closed_book_rows_are_answered_where_the_facts_are_to_be_learned() -> None:
    config = BuildDocumentsConfig(closed_book=1, closed_book_answers=True)
    made = build_rows([Question("What?", "x", "Nowhere.")], _find, config)
    assert [_answer(row) for row in made.rows] == [{"answer": "x", "sources": []}]


def test_prompt_is_the_one_of_serving() -> None:
    question = Question("What colour is thing a?", "c-a", FACTS["thing a"])
    config = BuildDocumentsConfig(left_out=0, closed_book=0, copies=1, fewer_sources=1, num_hits=2)
    config = config.model_copy(update={"retrieval": config.retrieval.model_copy(update={"top_k": 2})})
    (row,) = build_rows([question], _find, config).rows
    assert row[:2] == build_messages(
        question.text, [_source(1, FACTS["thing a"])], instructions=HOUSE_INSTRUCTIONS
    )


def test_seed_decides() -> None:
    first, again = (build_rows(_questions(), _find, BuildDocumentsConfig(seed=1)) for _ in range(2))
    assert first == again
    assert build_rows(_questions(), _find, BuildDocumentsConfig(seed=2)).rows != first.rows


def test_evidence_is_found_across_line_breaks() -> None:
    assert holds_evidence(_source(1, "A.\nFull-time  staff\nget 27 days."), "Full-time staff get 27 days.")
    assert not holds_evidence(_source(1, "Full-time staff get 28 days."), "Full-time staff get 27 days.")


def test_questions_are_read_and_bad_ones_all_told(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "Q?", "answer": null, "evidence": null}\n', encoding="utf-8")
    assert load_questions(path) == (Question("Q?", None, None),)
    path.write_text('{"question": ""}\n{\n{"question": "Q?", "answer": "x"}\n', encoding="utf-8")
    with pytest.raises(DataError) as told:
        load_questions(path)
    assert [line.split(":")[1] for line in told.value.message.splitlines()] == ["1", "2", "3"]
