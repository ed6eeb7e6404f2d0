"""The tokenizer of a run: the base model's own, or a new one trained on the data."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tunesmith.assets import model_source
from tunesmith.config.train import ScratchConfig, TrainConfig
from tunesmith.errors import ConfigError, ModelNotFoundError
from tunesmith.records import Example

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
_ROLE_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")

_MARKS_OF_A_PATH = ("/", "./", "../", "~")

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "{{ '<|assistant|>' }}{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""Template of models made from scratch: a role token, the text, an end token; marks what the assistant writes."""


def make_tokenizer(config: TrainConfig, examples: Sequence[Example]) -> Any:
    """Load the base's tokenizer, or train one for a model made from scratch.

    Args:
        config: the recipe.
        examples: the training conversations.

    Returns:
        A fast Hugging Face tokenizer.

    Raises:
        ModelNotFoundError: the base is neither shipped, nor a folder, nor to be had from the hub.
        ConfigError: the base has no fast tokenizer.
    """
    if isinstance(config.method, ScratchConfig):
        return train_tokenizer(_texts(examples), config.method)
    return load_tokenizer(config.model)


def load_tokenizer(model: str) -> Any:
    """Load a model's tokenizer; nothing of the model's own code is run.

    Args:
        model: a shipped model, a folder, or a Hugging Face name.

    Returns:
        A fast Hugging Face tokenizer.

    Raises:
        ModelNotFoundError: there is no such model.
        ConfigError: it has no fast tokenizer.
    """
    from transformers import AutoTokenizer

    source = model_source(model)
    if source.startswith(_MARKS_OF_A_PATH) and not Path(source).expanduser().is_dir():
        raise ModelNotFoundError(
            f'model="{model}" is not a folder of this machine. Look for a spelling mistake in the path, or use a '
            "shipped model (tiny-reader) or a Hugging Face name.",
            param="model",
        )
    # A hub that cannot be reached is tried for a minute; each try would be a line of its own.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise cannot_load(model, error) from error
    if not tokenizer.is_fast:
        raise ConfigError(
            f'model="{model}" has no fast tokenizer (tokenizer.json). Use a model that has one.'
        )
    return tokenizer


def cannot_load(model: str, error: Exception) -> ModelNotFoundError:
    """Put into one line why transformers does not load a model.

    Args:
        model: its name.
        error: what transformers says.

    Returns:
        The error for the user.
    """
    reason = " ".join(str(error).split())[:200]
    return ModelNotFoundError(
        f'model="{model}" cannot be loaded: {reason} Use a shipped model (tiny-reader), a folder, or a '
        "Hugging Face name.",
        param="model",
    )


def train_tokenizer(texts: Iterable[str], method: ScratchConfig) -> Any:
    """Train a byte-level BPE tokenizer with a chat template.

    Digits stand alone, so that numbers can be copied one by one.

    Args:
        texts: the training text.
        method: vocabulary size and context length.

    Returns:
        A fast Hugging Face tokenizer.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = [PAD, BEGIN, END, *_ROLE_TOKENS]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=method.vocabulary_size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=method.context_length,
        clean_up_tokenization_spaces=False,
        extra_special_tokens=list(_ROLE_TOKENS),
    )


def _texts(examples: Sequence[Example]) -> Iterator[str]:
    # Merges are stable after a few megabytes of text; more would only cost time before training starts.
    for example in examples[:: max(1, len(examples) // 20000)]:
        for message in example.messages:
            yield message.content
