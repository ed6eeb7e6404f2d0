"""What a version must say again: prompts that any engine reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunesmith.records import Message
from tunesmith.train.proof import fitted


class Words:
    """A tokenizer with a token a word and one a turn."""

    def apply_chat_template(self, messages: Sequence[dict[str, str]], **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [0] * sum(1 + len(message["content"].split()) for message in messages)}


def test_a_prompt_that_fits_stays_as_it_is() -> None:
    prompt = (Message("system", "Be brief."), Message("user", "Why?"))
    assert fitted(Words(), prompt, 5) == list(prompt)


def test_the_longest_turn_is_cut_until_the_prompt_fits() -> None:
    prompt = (Message("system", "Be brief."), Message("user", "why " * 1000))
    cut = fitted(Words(), prompt, 100)
    assert cut[0] == prompt[0]
    assert 0 < len(cut[1].content.split()) <= 97


def test_where_no_cut_helps_the_prompt_is_asked_as_it_is() -> None:
    prompt = tuple(Message("user", "a") for _ in range(10))
    assert fitted(Words(), prompt, 5) == list(prompt)
