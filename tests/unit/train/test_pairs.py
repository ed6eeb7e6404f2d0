"""Pairs of answers as tokens: the prompt of serving, and what must then be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tunesmith.config.train import TrainConfig
from tunesmith.errors import DataError
from tunesmith.records import Example, Message, Preference
from tunesmith.train import prepare as preparing
from tunesmith.train.pairs import make_pairs
from tunesmith.train.prepare import prepare
from tunesmith.train.render import render, render_prompt

PROMPT = (Message("system", "Be short."), Message("user", "How many days?"))
TALK = (*PROMPT, Message("assistant", "27 days"), Message("user", "Repeat: one"))
PAIRS = [
    Preference(
        PROMPT, Message("assistant", "27 days"), Message("assistant", "Let me see, many."), "p.jsonl", 1
    ),
    Preference(TALK, Message("assistant", "one"), Message("assistant", "two"), "p.jsonl", 2),
]


def test_the_prompt_is_the_one_of_serving_and_the_answers_follow(tokenizer: Any) -> None:
    for preference, pair in zip(PAIRS, make_pairs(PAIRS, tokenizer, sequence_length=64), strict=True):
        assert tokenizer.decode(pair.prompt_ids) == render_prompt(preference.prompt, tokenizer)
        assert tokenizer.decode(pair.chosen_ids) == preference.preferred.content + "<|end|>"
        assert tokenizer.decode(pair.rejected_ids) == preference.non_preferred.content + "<|end|>"


def test_an_answer_has_the_tokens_of_supervised_training(tokenizer: Any) -> None:
    (pair,) = make_pairs(PAIRS[:1], tokenizer, sequence_length=64)
    (tokens,) = render([Example((*PROMPT, PAIRS[0].preferred), "c.jsonl", 1)], tokenizer)
    assert [*pair.prompt_ids, *pair.chosen_ids] == tokens.ids.tolist()
    assert pair.chosen_ids.tolist() == tokens.ids[tokens.loss_mask].tolist()


def test_what_a_template_writes_after_the_end_mark_is_left_out(tokenizer: Any) -> None:
    template = (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>' }}{{ m['content'] + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    was, tokenizer.chat_template = tokenizer.chat_template, template
    try:
        (pair,) = make_pairs(PAIRS[:1], tokenizer, sequence_length=64)
    finally:
        tokenizer.chat_template = was
    assert tokenizer.decode(pair.chosen_ids).startswith("27 days<|end|>")


def test_the_longer_of_both_must_fit_and_is_named(tokenizer: Any) -> None:
    longest = max(
        len(pair.prompt_ids) + len(pair.rejected_ids)
        for pair in make_pairs(PAIRS, tokenizer, sequence_length=64)
    )
    with pytest.raises(
        DataError, match=rf"p\.jsonl:\d: {longest} tokens are more than sequence_length={longest - 1}"
    ):
        list(make_pairs(PAIRS, tokenizer, sequence_length=longest - 1))


def test_pairs_on_disk_are_what_is_counted(
    tokenizer: Any, recipe: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "make_tokenizer", lambda *_: tokenizer)
    monkeypatch.setattr(preparing, "check_base", lambda _: None)
    config = recipe(objective={"type": "dpo"}, sequence_length=64)
    prepared = prepare(config, lambda: PAIRS, tmp_path / "prepared")
    with pa.memory_map(str(prepared.rows_file)) as source:
        rows = pa.ipc.open_stream(source).read_all().to_pylist()
    assert [sorted(row) for row in rows] == [["chosen_ids", "prompt_ids", "rejected_ids"]] * 2
    assert (prepared.num_examples, prepared.num_rows) == (2, 2)
    answers = sum(len(row["chosen_ids"]) + len(row["rejected_ids"]) for row in rows)
    assert prepared.num_loss_tokens == answers
    assert prepared.num_tokens == answers + 2 * sum(len(row["prompt_ids"]) for row in rows)
