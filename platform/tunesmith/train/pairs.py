"""From preferences to rows of token ids: a prompt with two answers to it.

    prompt_ids    <|user|>How many days?<|end|><|assistant|>
    chosen_ids    27 days<|end|>
    rejected_ids  Let me see<|end|>

Rendered as conversations are, with every check of theirs: what is compared is what the served model would be given
and would write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.errors import DataError
from tunesmith.records import Example, Message, Preference
from tunesmith.train.pack import check_lengths
from tunesmith.train.render import Tokens, render


@dataclass(frozen=True, slots=True)
class Pair:
    """Token ids of a prompt and of its two answers, by TRL's names.

    Attributes:
        prompt_ids: ends where the assistant begins.
        chosen_ids: the preferred answer, its end mark included.
        rejected_ids: the other one.
    """

    prompt_ids: npt.NDArray[np.int32]
    chosen_ids: npt.NDArray[np.int32]
    rejected_ids: npt.NDArray[np.int32]

    @property
    def num_tokens(self) -> int:
        """Tokens of both sequences."""
        return 2 * len(self.prompt_ids) + self.num_answer_tokens

    @property
    def num_answer_tokens(self) -> int:
        """Tokens of both answers."""
        return len(self.chosen_ids) + len(self.rejected_ids)


def make_pairs(preferences: Sequence[Preference], tokenizer: Any, *, sequence_length: int) -> Iterator[Pair]:
    """Render preferences to tokens.

    Args:
        preferences: prompts with two answers each.
        tokenizer: a fast Hugging Face tokenizer with a chat template.
        sequence_length: most tokens of a prompt with one of its answers.

    Yields:
        One pair each, in order.

    Raises:
        ConfigError: the tokenizer has no chat template.
        DataError: the template refuses a conversation, training would see other tokens than serving, or a sequence
            is too long; names file and line.
    """
    preferred = _render(preferences, tokenizer, [pair.preferred for pair in preferences])
    others = _render(preferences, tokenizer, [pair.non_preferred for pair in preferences])
    longest = [max(both, key=lambda tokens: len(tokens.ids)) for both in zip(preferred, others, strict=True)]
    check_lengths(longest, sequence_length=sequence_length)
    for chosen, rejected in zip(preferred, others, strict=True):
        (prompt, answer), (prompt_again, other) = _split(chosen), _split(rejected)
        if not np.array_equal(prompt, prompt_again):
            raise DataError(
                f"{chosen.file}:{chosen.line}: the chat template writes the prompt otherwise before one answer than "
                "before the other. Use another model."
            )
        yield Pair(prompt, answer, other)


def _render(preferences: Sequence[Preference], tokenizer: Any, answers: Sequence[Message]) -> list[Tokens]:
    talks = [
        Example((*map(_unlearned, pair.prompt), answer), pair.file, pair.line)
        for pair, answer in zip(preferences, answers, strict=True)
    ]
    return list(render(talks, tokenizer))


def _unlearned(message: Message) -> Message:
    return replace(message, weight=0)


def _split(tokens: Tokens) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The ids before the answer, and the answer's; what a template writes after its end mark is left out."""
    learned = np.flatnonzero(tokens.loss_mask)
    begin, end = learned[0], learned[-1] + 1
    return tokens.ids[:begin], tokens.ids[begin:end]
