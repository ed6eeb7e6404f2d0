"""From a conversation to token ids and a loss mask, by the model's own chat template.

The tokens are those of serving: what stands before an assistant turn is exactly what the served model is
given (`add_generation_prompt=True`), and the loss falls on what it must then write, end mark included.
A template says where that is with `{% generation %}` marks, or it is found by prefix differences.

    <|user|>How many days?<|end|><|assistant|>27<|end|>
    0       0   0    0    0      0            1 1
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tunesmith.errors import ConfigError, DataError
from tunesmith.records import Example, Message

CHECKED_EXAMPLES = 256
"""Examples whose every prompt is tokenised on its own and compared; the other ones have their boundaries checked."""

_BATCH = 512
_GENERATION_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True, slots=True)
class Tokens:
    """A rendered example.

    Attributes:
        ids: token ids, template included; (tokens,).
        loss_mask: True where the token counts in the loss; (tokens,).
        file: where the example came from.
        line: its line there.
        stage: examples of a later stage are trained on after all of an earlier one.
    """

    ids: npt.NDArray[np.int32]
    loss_mask: npt.NDArray[np.bool_]
    file: str
    line: int
    stage: int = 0


@dataclass(frozen=True, slots=True)
class _Rendered:
    """The text of a conversation and the (start, end) characters of its assistant turns."""

    text: str
    turns: tuple[tuple[int, int], ...]


def render(
    examples: Sequence[Example], tokenizer: Any, *, loss_on: Literal["assistant", "all"] = "assistant"
) -> Iterator[Tokens]:
    """Render examples to tokens.

    Args:
        examples: conversations.
        tokenizer: a fast Hugging Face tokenizer with a chat template.
        loss_on: `assistant`: turns of the assistant with weight 1; `all`: every token.

    Yields:
        One `Tokens` an example, in order.

    Raises:
        ConfigError: the tokenizer has no chat template.
        DataError: the template refuses a conversation, or the prompt of a turn is not a prefix of the
            rendered conversation, so that training would see other tokens than serving; names file and line.
    """
    template = _chat_template(tokenizer)
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH]
        texts = [_render_text(example, tokenizer, template) for example in batch]
        encoded = tokenizer(
            [text.text for text in texts], add_special_tokens=False, return_offsets_mapping=True
        )
        for position, (example, text) in enumerate(zip(batch, texts, strict=True)):
            ids, offsets = encoded["input_ids"][position], encoded["offset_mapping"][position]
            mask = _mask_turns(example, text, np.asarray(offsets, dtype=np.int64).reshape(-1, 2))
            if start + position < CHECKED_EXAMPLES:
                _check_prompts(example, text, ids, tokenizer)
            learned = mask if (example.loss_on or loss_on) == "assistant" else np.ones_like(mask)
            yield Tokens(np.asarray(ids, dtype=np.int32), learned, example.file, example.line, example.stage)


def render_prompt(messages: Sequence[Message], tokenizer: Any) -> str:
    """The text that the served model is given for these messages.

    Args:
        messages: the conversation so far.
        tokenizer: a tokenizer with a chat template.

    Returns:
        The prompt, which ends where the assistant begins.
    """
    return str(tokenizer.apply_chat_template(_turns(messages), tokenize=False, add_generation_prompt=True))


def _chat_template(tokenizer: Any) -> str:
    try:
        return str(
            tokenizer.get_chat_template()
        )  # of several, the one that serving takes for a plain conversation
    except ValueError as error:
        raise ConfigError(
            f'The tokenizer of "{tokenizer.name_or_path}" has no chat template, or several and none is the default. '
            "Use a chat (instruct) model as `model`.",
            param="model",
        ) from error


def _render_text(example: Example, tokenizer: Any, template: str) -> _Rendered:
    from jinja2 import TemplateError

    try:
        if _GENERATION_MARK.search(template):
            return _render_by_marks(example, tokenizer, template)
        return _render_by_prefixes(example, tokenizer)
    except TemplateError as error:
        raise DataError(
            f"{example.file}:{example.line}: the model's chat template refuses the conversation: {error}."
        ) from error


def _render_by_marks(example: Example, tokenizer: Any, template: str) -> _Rendered:
    from transformers.utils.chat_template_utils import render_jinja_template

    texts, spans = render_jinja_template(
        [_turns(example.messages)],
        chat_template=template,
        return_assistant_tokens_mask=True,
        **tokenizer.special_tokens_map,
    )
    turns = tuple((start, end) for start, end in spans[0])
    expected = sum(message.role == "assistant" for message in example.messages)
    if len(turns) != expected:
        raise DataError(
            f"{example.file}:{example.line}: the chat template marks {len(turns)} of {expected} assistant turns. "
            "Use a model whose template keeps every turn, or one assistant turn a line."
        )
    return _Rendered(texts[0], turns)


def _render_by_prefixes(example: Example, tokenizer: Any) -> _Rendered:
    messages = example.messages
    text = tokenizer.apply_chat_template(_turns(messages), tokenize=False)
    turns = []
    for position, message in enumerate(messages):
        if message.role != "assistant":
            continue
        prompt = render_prompt(messages[:position], tokenizer)
        until = tokenizer.apply_chat_template(_turns(messages[: position + 1]), tokenize=False)
        if not until.startswith(prompt) or not text.startswith(until):
            raise _not_a_prefix(example, position)
        turns.append((len(prompt), len(until)))
    return _Rendered(text, tuple(turns))


def _mask_turns(
    example: Example, rendered: _Rendered, offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    weights = [message.weight for message in example.messages if message.role == "assistant"]
    starts, ends = offsets[:, 0], offsets[:, 1]
    mask = np.zeros(len(offsets), dtype=np.bool_)
    for (begin, end), weight in zip(rendered.turns, weights, strict=True):
        across = np.flatnonzero((starts < begin) & (ends > begin))
        if len(across):
            raise _across_boundary(example, rendered.text[slice(*offsets[across[0]])])
        if weight:
            mask |= (starts >= begin) & (starts < end)
    return mask


def _check_prompts(example: Example, rendered: _Rendered, ids: list[int], tokenizer: Any) -> None:
    """Compare the prompt of each turn, tokenised alone as an engine does, with the tokens trained on."""
    positions = [index for index, message in enumerate(example.messages) if message.role == "assistant"]
    for position, (start, _) in zip(positions, rendered.turns, strict=True):
        prompt = render_prompt(example.messages[:position], tokenizer)
        if rendered.text[:start] != prompt:
            raise _not_a_prefix(example, position)
        alone = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        if ids[: len(alone)] != alone:
            raise _not_a_prefix(example, position)


def _across_boundary(example: Example, token: str) -> DataError:
    return DataError(
        f"{example.file}:{example.line}: one token holds the end of a prompt and the start of the answer "
        f"({token!r}), so training would see other tokens than serving. "
        "Use a model whose chat template ends the prompt with a special token."
    )


def _not_a_prefix(example: Example, position: int) -> DataError:
    return DataError(
        f"{example.file}:{example.line}: the prompt of messages[{position}] is not a prefix of the rendered "
        "conversation, so training would see other tokens than serving (some templates rewrite earlier turns). "
        "Split the conversation so that each line has one assistant turn, or use another model."
    )


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
