"""Pairs of answers from the house form: one right, one with a single thing wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.datasets.chat import write_chat
from tunesmith.datasets.contrast import build_contrast
from tunesmith.datasets.feedback import build_from_feedback
from tunesmith.datasets.preferences import load_preferences
from tunesmith.errors import DataError
from tunesmith.rag.forms import parse_answer, say_house
from tunesmith.rag.prompt import render_question
from tunesmith.records import Message
from tunesmith.stores.feedback import Feedback, Interaction

SYSTEM = Message("system", "Answer in JSON.")


def _row(answer: str, *sources: str) -> tuple[Message, ...]:
    lines = [f"[{number}] {text}" for number, text in enumerate(sources, 1)]
    return (SYSTEM, Message("user", render_question("How many days?", lines)), Message("assistant", answer))


ROWS = [
    *[_row(say_house(f"{n} days", (2,)), "The canteen.", f"There are {n} days.") for n in range(2, 40)],
    *[_row(say_house(None, ()), "The canteen.", f"Room {n}.") for n in range(20)],
    *[_row(say_house("9 days", ())) for n in range(5)],
]


def test_every_answer_has_one_thing_wrong(tmp_path: Path) -> None:
    write_chat(tmp_path / "chat.jsonl", ROWS)
    made = build_contrast(tmp_path / "chat.jsonl", tmp_path / "pairs.jsonl")
    pairs = load_preferences(tmp_path / "pairs.jsonl")
    assert made.num_pairs == len(pairs) == len(ROWS)
    assert set(made.counts) == {"wrong_source", "given_up", "prose", "made_up"}
    for pair, row in zip(pairs, ROWS, strict=True):
        assert (*pair.prompt, pair.preferred) == row
        right, wrong = parse_answer(pair.preferred.content), parse_answer(pair.non_preferred.content)
        differs = (
            wrong.form != right.form,
            wrong.form == "house" and wrong.answer != right.answer,
            wrong.form == "house" and wrong.answer == right.answer and wrong.numbers != right.numbers,
        )
        assert sum(differs) == 1
        assert set(wrong.numbers) <= {1, 2}, "a source that is not shown could be told by its number alone"


def test_equal_input_makes_equal_pairs(tmp_path: Path) -> None:
    write_chat(tmp_path / "chat.jsonl", ROWS)
    texts = []
    for seed in (1, 1, 2):
        build_contrast(tmp_path / "chat.jsonl", tmp_path / "pairs.jsonl", seed=seed)
        texts.append((tmp_path / "pairs.jsonl").read_text(encoding="utf-8"))
    assert texts[0] == texts[1] != texts[2]


def test_other_conversations_are_left_out_and_a_file_of_them_is_refused(tmp_path: Path) -> None:
    write_chat(tmp_path / "chat.jsonl", [*ROWS, _row("27 days [2].", "The canteen.")])
    assert build_contrast(tmp_path / "chat.jsonl", tmp_path / "pairs.jsonl").counts["left_out"] == 1
    write_chat(tmp_path / "chat.jsonl", [_row("27 days [2].", "The canteen.")])
    with pytest.raises(DataError, match="none of 1 conversations ends in the house form"):
        build_contrast(tmp_path / "chat.jsonl", tmp_path / "pairs.jsonl")


def test_a_correction_is_preferred_to_what_was_said(tmp_path: Path) -> None:
    prompt = (SYSTEM, Message("user", "How many days?"))
    asked = [Interaction(f"chatcmpl-{n}", 0, "helpdesk", "tiny-reader", prompt, "12 days") for n in range(3)]
    said = [
        Feedback("fb-0", "chatcmpl-0", 0, "down", "27 days", None),
        Feedback("fb-1", "chatcmpl-1", 0, "up", None, None),
        Feedback("fb-2", "chatcmpl-2", 0, "down", "12 days", None),
    ]
    out = tmp_path / "pairs.jsonl"
    made = build_from_feedback(list(zip(asked, said, strict=True)), out, copies=2, pairs=True)
    assert (made.num_rows, made.counts) == (2, {"corrected": 1, "left_out": 2})
    first, second = load_preferences(out)
    assert (first.prompt, first.preferred.content, first.non_preferred.content) == (
        prompt,
        "27 days",
        "12 days",
    )
    assert second.preferred == first.preferred
    with pytest.raises(DataError, match="none is corrected"):
        build_from_feedback([(asked[1], said[1])], out, pairs=True)
