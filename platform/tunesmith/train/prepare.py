"""From examples to rows on disk: what the workers of a run read. Nothing of it needs Ray or a GPU.

prepared/<fingerprint>/
  tokenizer/       the tokenizer, as it is served
  rows.arrow       of each row input_ids, labels and position_ids; for dpo prompt_ids, chosen_ids, rejected_ids
  validation.arrow the same of what the run is measured on, where it names something
  prepared.json    what is in there
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

from tunesmith.config.train import TrainConfig
from tunesmith.datasets.sources import load_validation
from tunesmith.errors import StorageError
from tunesmith.records import Example, Preference
from tunesmith.stores.atomic import sync_tree, write_atomic
from tunesmith.train.base import check_base
from tunesmith.train.pack import Row, check_lengths, pack
from tunesmith.train.pairs import Pair, make_pairs
from tunesmith.train.render import Tokens, render
from tunesmith.train.tokenizer import make_tokenizer

_SUMMARY = "prepared.json"
_ROWS_PER_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    """The training set of a run, on disk.

    Attributes:
        folder: where it lies, absolute.
        num_examples: conversations, or pairs of answers.
        num_rows: rows of at most sequence_length tokens, or pairs.
        num_tokens: tokens in all rows, padding not counted.
        num_loss_tokens: those that count in the loss.
        vocabulary_size: tokens of the tokenizer.
        num_validation_examples: what the run is measured on, of which it learns nothing.
    """

    folder: str
    num_examples: int
    num_rows: int
    num_tokens: int
    num_loss_tokens: int
    vocabulary_size: int
    num_validation_examples: int = 0

    @property
    def rows_file(self) -> Path:
        """Arrow stream of the rows."""
        return Path(self.folder) / "rows.arrow"

    @property
    def validation_file(self) -> Path:
        """Arrow stream of the rows that the run is measured on."""
        return Path(self.folder) / "validation.arrow"

    @property
    def tokenizer_folder(self) -> Path:
        """The saved tokenizer."""
        return Path(self.folder) / "tokenizer"


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows that wait to be written, and what is in them."""

    columns: tuple[str, ...]
    rows: Iterator[Row] | Iterator[Pair]
    num_examples: int
    num_tokens: int
    num_loss_tokens: int


def prepare(
    config: TrainConfig,
    load: Callable[[], Sequence[Example] | Sequence[Preference]],
    folder: Path,
    *,
    fresh: bool = False,
) -> Prepared:
    """Tokenise and pack the examples, once for each fingerprint; a base is looked at as often.

    Args:
        config: the recipe.
        load: reads or makes its conversations or pairs; not called where they are prepared already.
        folder: where to put the result; a complete one found there is used as it is.
        fresh: make it anew even so.

    Returns:
        The training set.

    Raises:
        DataError: an example cannot be rendered or is too long.
        ModelNotFoundError: there is no such base, or its weights are not all there.
        ConfigError: the base has no usable tokenizer, or does not fit the recipe.
        StorageError: the folder cannot be written.
    """
    if (folder / _SUMMARY).exists() and not fresh:
        summary = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
        return Prepared(**{**summary, "folder": str(folder)})
    loaded, measured_on = load(), load_validation(config)
    tokenizer = make_tokenizer(config, [item for item in loaded if isinstance(item, Example)])
    check_base(config)
    table = _table_of(config, loaded, tokenizer)
    validation = _table_of(config, measured_on, tokenizer) if measured_on else None
    try:
        return _save(table, validation, tokenizer, folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}. Free some disk space.") from error


def _table_of(config: TrainConfig, items: Sequence[Example] | Sequence[Preference], tokenizer: Any) -> _Table:
    preferences = [item for item in items if isinstance(item, Preference)]
    if preferences:
        return _table_of_pairs(config, preferences, tokenizer)
    return _table_of_rows(config, [item for item in items if isinstance(item, Example)], tokenizer)


def _table_of_rows(config: TrainConfig, examples: Sequence[Example], tokenizer: Any) -> _Table:
    tokens = list(render(examples, tokenizer, loss_on=config.loss_on))
    check_lengths(tokens, sequence_length=config.sequence_length)
    return _Table(
        columns=("input_ids", "labels", "position_ids"),
        rows=in_stages(config, tokens),
        num_examples=len(tokens),
        num_tokens=sum(len(example.ids) for example in tokens),
        num_loss_tokens=sum(int(example.loss_mask[1:].sum()) for example in tokens),
    )


def _table_of_pairs(config: TrainConfig, preferences: Sequence[Preference], tokenizer: Any) -> _Table:
    pairs = list(make_pairs(preferences, tokenizer, sequence_length=config.sequence_length))
    random.Random(config.seed).shuffle(pairs)  # a short run takes the first of them, and shall see all kinds
    return _Table(
        columns=("prompt_ids", "chosen_ids", "rejected_ids"),
        rows=iter(pairs),
        num_examples=len(pairs),
        num_tokens=sum(pair.num_tokens for pair in pairs),
        num_loss_tokens=sum(pair.num_answer_tokens for pair in pairs),
    )


def _save(table: _Table, validation: _Table | None, tokenizer: Any, folder: Path) -> Prepared:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer.save_pretrained(folder / "tokenizer")
    prepared = Prepared(
        folder=str(folder),
        num_examples=table.num_examples,
        num_rows=_write_rows(folder / "rows.arrow", table),
        num_tokens=table.num_tokens,
        num_loss_tokens=table.num_loss_tokens,
        vocabulary_size=len(tokenizer),
        num_validation_examples=validation.num_examples if validation else 0,
    )
    if validation:
        _write_rows(prepared.validation_file, validation)
    # The summary comes last, in one step, when all else is on the disk: a folder that has one is complete.
    sync_tree(folder)
    write_atomic(folder / _SUMMARY, json.dumps(asdict(prepared)))
    return prepared


def in_stages(config: TrainConfig, tokens: Sequence[Tokens]) -> Iterator[Row]:
    """Lay out each stage of a curriculum for itself; batches hold rows of like length, in an order by chance.

    Args:
        config: the recipe.
        tokens: rendered examples, stage after stage.

    Yields:
        The rows in the order in which a staged run reads them.
    """
    rng = random.Random(config.seed)
    for _, stage in groupby(tokens, key=lambda example: example.stage):
        rows = list(pack(list(stage), sequence_length=config.sequence_length, packing=config.packing))
        rng.shuffle(rows)
        rows.sort(key=lambda row: len(row.input_ids))
        size = config.global_batch_size
        batches = [rows[start : start + size] for start in range(0, len(rows) - size + 1, size)]
        rng.shuffle(batches)
        # What does not fill a batch goes last: the batches before it stay aligned with the optimizer's steps.
        yield from chain.from_iterable(batches)
        yield from rows[len(batches) * size :]


def _write_rows(path: Path, table: _Table) -> int:
    import pyarrow as pa

    lists, count = pa.list_(pa.int32()), 0
    schema = pa.schema([(name, lists) for name in table.columns])
    with path.open("wb") as file, pa.ipc.new_stream(file, schema) as stream:
        while batch := list(islice(table.rows, _ROWS_PER_BATCH)):
            columns = [pa.array([getattr(row, name) for row in batch], lists) for name in schema.names]
            stream.write_batch(pa.record_batch(columns, schema=schema))
            count += len(batch)
    return count
