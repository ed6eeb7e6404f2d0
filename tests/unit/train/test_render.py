"""What is trained on is what is served: the template decides, the loss falls on the assistant's turns."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tunesmith.errors import ConfigError, DataError
from tunesmith.records import Example, Message
from tunesmith.train.render import Tokens, render, render_prompt

TALK = (
    Message("system", "Be short."),
    Message("user", "How many days?"),
    Message("assistant", "27 days [2]"),
    Message("user", "And then?"),
    Message("assistant", "The documents do not say."),
)
# The same text as the shipped template, without marks: found by prefix differences.
UNMARKED = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# Drops what the assistant said before, as templates of thinking models do.
FORGETFUL = (
    "{% for message in messages %}{% if message['role'] != 'assistant' or loop.last %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# Ends the prompt inside a word: a token may hold the end of the prompt and the start of the answer.
GLUED = (
    "{% for message in messages %}{{ (' docu' if message['role'] == 'assistant' else '') + message['content'] }}"
    "{% endfor %}{% if add_generation_prompt %}{{ ' docu' }}{% endif %}"
)


def _with_template(tokenizer: Any, template: str | None) -> Any:
    changed = copy.deepcopy(tokenizer)
    changed.chat_template = template
    return changed


def _render(tokenizer: Any, *messages: Message, loss_on: Any = "assistant") -> Tokens:
    (tokens,) = render([Example(messages, "train.jsonl", 7)], tokenizer, loss_on=loss_on)
    return tokens


def _learned(tokenizer: Any, tokens: Tokens) -> str:
    return str(tokenizer.decode(tokens.ids[tokens.loss_mask]))


@pytest.mark.parametrize("template", ["marked", UNMARKED], ids=["marks", "prefixes"])
def test_loss_falls_on_assistant_turns_and_their_end(tokenizer: Any, template: str) -> None:
    if template != "marked":
        tokenizer = _with_template(tokenizer, template)
    tokens = _render(tokenizer, *TALK)
    assert _learned(tokenizer, tokens) == "27 days [2]<|end|>The documents do not say.<|end|>"


def test_marks_and_prefixes_agree(tokenizer: Any) -> None:
    marked, plain = _render(tokenizer, *TALK), _render(_with_template(tokenizer, UNMARKED), *TALK)
    assert marked.ids.tolist() == plain.ids.tolist()
    assert marked.loss_mask.tolist() == plain.loss_mask.tolist()


def test_tokens_before_the_first_learned_one_are_the_served_prompt(tokenizer: Any) -> None:
    tokens = _render(tokenizer, *TALK)
    prompt = tokenizer(render_prompt(TALK[:2], tokenizer), add_special_tokens=False)["input_ids"]
    assert tokens.ids[: int(tokens.loss_mask.argmax())].tolist() == prompt


@pytest.mark.parametrize("template", ["marked", UNMARKED], ids=["marks", "prefixes"])
def test_weight_0_keeps_a_turn_out_of_the_loss(tokenizer: Any, template: str) -> None:
    if template != "marked":
        tokenizer = _with_template(tokenizer, template)
    talk = [*TALK[:2], Message("assistant", "27 days [2]", weight=0), *TALK[3:]]
    assert _learned(tokenizer, _render(tokenizer, *talk)) == "The documents do not say.<|end|>"


def test_loss_on_all_counts_every_token(tokenizer: Any) -> None:
    assert _render(tokenizer, *TALK, loss_on="all").loss_mask.all()


def test_template_that_rewrites_earlier_turns_is_told(tokenizer: Any) -> None:
    with pytest.raises(DataError, match=r"train.jsonl:7: the prompt of messages\[2\] is not a prefix"):
        _render(_with_template(tokenizer, FORGETFUL), *TALK)


def test_token_across_the_boundary_is_told(tokenizer: Any) -> None:
    glued = _with_template(tokenizer, GLUED)
    with pytest.raises(DataError, match="one token holds the end of a prompt"):
        _render(glued, Message("user", "x"), Message("assistant", "ments"))


def test_refusing_template_is_told(tokenizer: Any) -> None:
    refusing = _with_template(tokenizer, "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(DataError, match=r"train.jsonl:7: .*roles must alternate"):
        _render(refusing, *TALK)


def test_tokenizer_without_template_is_told(tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match="has no chat template"):
        _render(_with_template(tokenizer, None), *TALK)


def test_of_several_templates_the_default_is_taken(tokenizer: Any) -> None:
    several = _with_template(tokenizer, None)
    several.chat_template = {"tool_use": FORGETFUL, "default": UNMARKED}
    assert _render(several, *TALK).ids.tolist() == _render(tokenizer, *TALK).ids.tolist()
    several.chat_template = {"tool_use": UNMARKED}
    with pytest.raises(ConfigError, match="several and none is the default"):
        _render(several, *TALK)
