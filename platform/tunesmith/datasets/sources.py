"""From the `data:` part of a recipe to examples, and to a hash that says whether they changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from tunesmith.config.train import DpoObjective, FileDataConfig, ReadingDataConfig, TrainConfig, TrainData
from tunesmith.datasets.chat import chat_lines, load_chat
from tunesmith.datasets.jsonl import Fault, count_lines
from tunesmith.datasets.preferences import load_preferences, preference_lines
from tunesmith.datasets.reading.conversation import ConversationMaker, Shape
from tunesmith.errors import DataError
from tunesmith.records import Example, Message, Preference

_GENERATOR = ("datasets/reading", "rag/prompt.py", "rag/sentences.py", "rag/terms.py")
"""Where synthetic reading comes from: the generator, and the words of the prompts it is to look like."""


def load_data(config: TrainConfig) -> tuple[Example, ...] | tuple[Preference, ...]:
    """Read or make what a run learns from, as its objective wants it.

    Args:
        config: the recipe.

    Returns:
        Conversations, or pairs of answers for dpo.

    Raises:
        DataError: the file is missing or has bad lines.
    """
    if isinstance(config.objective, DpoObjective) and isinstance(config.data, FileDataConfig):
        return load_preferences(config.data.path)
    return load_examples(config.data, seed=config.seed)


def load_validation(config: TrainConfig) -> tuple[Example, ...] | tuple[Preference, ...]:
    """Read what a run is measured on.

    Args:
        config: the recipe.

    Returns:
        Conversations, or pairs of answers for dpo; nothing where the recipe names no file.

    Raises:
        DataError: the file is missing or has bad lines.
    """
    if config.validation is None:
        return ()
    if isinstance(config.objective, DpoObjective):
        return load_preferences(config.validation.path)
    return load_chat(config.validation.path)


def check_file(config: TrainConfig, path: Path, *, name: str) -> tuple[int, tuple[Fault, ...], int]:
    """Look through a training file of any size without holding it.

    Args:
        config: the recipe that is to learn from it.
        path: the file.
        name: what its faults call it.

    Returns:
        Good lines, the first faults, and how many faults there are.

    Raises:
        DataError: the file cannot be opened.
    """
    return count_lines(_lines(config, path, name))


def prompts_of(config: TrainConfig, path: str) -> Iterator[tuple[Message, ...]]:
    """Read what comes before the first answer of each good line of a training file.

    Args:
        config: the recipe.
        path: the file.

    Yields:
        The messages; none where a line begins with the answer.
    """
    for item in _lines(config, Path(path), path):
        if isinstance(item, Preference):
            yield item.prompt
        elif isinstance(item, Example):
            answered = next(n for n, turn in enumerate(item.messages) if turn.role == "assistant")
            yield item.messages[:answered]


def _lines(
    config: TrainConfig, path: Path, name: str
) -> Iterator[Example | Fault] | Iterator[Preference | Fault]:
    if isinstance(config.objective, DpoObjective):
        return preference_lines(path, name=name)
    return chat_lines(path, name=name)


def load_examples(data: TrainData, *, seed: int) -> tuple[Example, ...]:
    """Read or make the examples of a run.

    Args:
        data: the recipe's `data`.
        seed: the recipe's seed; synthetic data depends on it.

    Returns:
        The conversations.

    Raises:
        DataError: the file is missing or has bad lines.
    """
    if isinstance(data, FileDataConfig):
        return load_chat(data.path)
    return tuple(_read(data, seed=seed))


def _read(data: ReadingDataConfig, *, seed: int) -> Iterator[Example]:
    for number, stage in enumerate(data.stages):
        sizes = stage.model_dump(exclude={"num_examples", "loss_on"})
        maker = ConversationMaker(Shape(**sizes), seed=seed)
        for line in range(stage.num_examples):
            messages = maker.make().messages()
            yield Example(messages, f"reading stage {number}", line + 1, stage=number, loss_on=stage.loss_on)


def hash_data(data: TrainData) -> str:
    """Hash what the examples come from: the file's bytes, or the generator with its settings.

    A generator is hashed by its sources and word lists: an edit that changes no example changes the hash too.

    Args:
        data: the recipe's `data`.

    Returns:
        SHA-256, hex.

    Raises:
        DataError: the file cannot be read.
    """
    if isinstance(data, FileDataConfig):
        return _hash_file(data.path, field="data.path")
    settings = json.dumps(data.model_dump(), sort_keys=True)
    return hashlib.sha256(f"{settings} {_hash_sources(*_GENERATOR)}".encode()).hexdigest()


def hash_validation(config: TrainConfig) -> str:
    """Hash the file that a run is measured on.

    Args:
        config: the recipe.

    Returns:
        SHA-256, hex; empty where the recipe names none.

    Raises:
        DataError: the file cannot be read.
    """
    return _hash_file(config.validation.path, field="validation.path") if config.validation else ""


def _hash_file(path: str, *, field: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check {field}.") from error


def _hash_sources(*places: str) -> str:
    package = Path(str(files("tunesmith")))
    digest = hashlib.sha256()
    for place in (package / place for place in places):
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix in (".py", ".yaml"):
                digest.update(f"{path.relative_to(package)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
