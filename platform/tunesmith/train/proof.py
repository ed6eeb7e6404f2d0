"""What transformers says from the shipped weights: the engine must say the same before the version may be used.

For a few conversations of the training data: the prompt's token ids under the chat template, and the tokens that
follow greedily. Beside each token stands its margin, the distance of its logit from the second best: where two tokens
are as good as equal, rounding decides, and two right programs may differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tunesmith.assets import model_source
from tunesmith.config.train import FileDataConfig, TrainConfig
from tunesmith.datasets.sources import prompts_of
from tunesmith.jobs.folders import PROOF
from tunesmith.records import Message

NUM_PROMPTS = 3
NUM_PROMPTS_OF_CHECKPOINT = 1
NUM_TOKENS = 16
_MOST_PROMPT_TOKENS = 1024
"""A longer prompt would prove no more, and costs a machine without a GPU minutes."""
_FEWEST_SERVED = 128
"""Every engine reads that many (`engine.max_model_len`)."""
_ELSEWHERE = (Message("user", "How many days of leave do full-time staff get?"),)
"""Asked where the data is made, not read."""


@dataclass(frozen=True, slots=True)
class Said:
    """One prompt and what follows.

    Attributes:
        messages: the prompt, as the API takes it.
        prompt_token_ids: under the version's chat template.
        token_ids: the greedy continuation, at most `NUM_TOKENS`.
        margins: of each of these, its logit minus the second best one.
    """

    messages: tuple[dict[str, str], ...]
    prompt_token_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    margins: tuple[float, ...]


def write_proof(config: TrainConfig, export: Path, checkpoints: Iterable[Path] = ()) -> None:
    """Say a few things with what was exported, and write them beside it; the same with adapters of checkpoints.

    Args:
        config: the recipe.
        export: the exported weights with their tokenizer.
        checkpoints: adapters of the same run; one prompt each.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(export)
    most = max(_FEWEST_SERVED, min(config.sequence_length, _MOST_PROMPT_TOKENS)) - NUM_TOKENS
    prompts = [fitted(tokenizer, prompt, most) for prompt in _prompts(config)]
    base = _load(config, export)
    _write(base, export, prompts, tokenizer, adapted=config.method.registers == "adapter")
    for folder in checkpoints:
        _write(base, folder, prompts[:NUM_PROMPTS_OF_CHECKPOINT], tokenizer, adapted=True)


def _write(
    base: Any, folder: Path, prompts: Sequence[Sequence[Message]], tokenizer: Any, *, adapted: bool
) -> None:
    with _speaking(base, folder if adapted else None) as model:
        said = [_say(model, tokenizer, prompt) for prompt in prompts]
    (folder / PROOF).write_text(json.dumps([asdict(each) for each in said]), encoding="utf-8")


def _prompts(config: TrainConfig) -> Iterator[Sequence[Message]]:
    if not isinstance(config.data, FileDataConfig):
        yield _ELSEWHERE
        return
    for prompt in islice(prompts_of(config, config.data.path), NUM_PROMPTS):
        yield prompt or _ELSEWHERE


def fitted(tokenizer: Any, prompt: Sequence[Message], most: int) -> Sequence[Message]:
    """Cut a prompt that is too long to be asked: its longest turn loses its second half, until it fits.

    Args:
        tokenizer: with the version's chat template.
        prompt: the prompt.
        most: tokens that it may have.

    Returns:
        The prompt, or what is left of it.
    """
    turns = list(prompt)
    while len(_prompt_ids(tokenizer, turns)) > most:
        longest = max(range(len(turns)), key=lambda number: len(turns[number].content))
        content = turns[longest].content
        if len(content) < 2:
            break
        turns[longest] = replace(turns[longest], content=content[: len(content) // 2])
    return turns


def _prompt_ids(tokenizer: Any, prompt: Sequence[Message]) -> list[int]:
    messages = [{"role": turn.role, "content": turn.content} for turn in prompt]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    return list(asked["input_ids"])


def _load(config: TrainConfig, export: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    adapted = config.method.registers == "adapter"
    return AutoModelForCausalLM.from_pretrained(
        model_source(config.model) if adapted else export,
        dtype=torch.float32,  # rounds least: what it says is what the weights say
        use_safetensors=True,
        trust_remote_code=False,
        device_map="auto" if config.resources.gpus_per_worker and torch.cuda.is_available() else None,
    )


@contextmanager
def _speaking(base: Any, adapter: Path | None) -> Iterator[Any]:
    """The base with an adapter on it, and without it again afterwards: it is loaded once, however many there are."""
    if adapter is None:
        yield base.eval()
        return
    import peft

    model = peft.PeftModel.from_pretrained(base, str(adapter))
    try:
        yield model.eval()
    finally:
        model.unload()


def _say(model: Any, tokenizer: Any, prompt: Sequence[Message]) -> Said:
    import torch

    messages = tuple({"role": turn.role, "content": turn.content} for turn in prompt)
    ids = _prompt_ids(tokenizer, prompt)
    with torch.no_grad():
        made = model.generate(
            torch.tensor([ids], device=model.device),
            max_new_tokens=NUM_TOKENS,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
    best = torch.stack(made.logits)[:, 0].float().topk(2).values
    return Said(
        messages=messages,
        prompt_token_ids=tuple(ids),
        token_ids=tuple(made.sequences[0, len(ids) :].tolist()),
        margins=tuple(round(float(first - second), 4) for first, second in best),
    )
