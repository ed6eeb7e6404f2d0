"""From examples to rows on disk: what the workers of a run read. Nothing of it needs Ray or a GPU.

    prepared/<fingerprint>/
      tokenizer/       the tokenizer, as it is served
      rows.arrow       input_ids, labels, position_ids of each row
      prepared.json    what is in there
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tunesmith.config.train import TrainConfig
from tunesmith.errors import StorageError
from tunesmith.records import Example
from tunesmith.train.pack import IGNORED, Row, pack
from tunesmith.train.render import render
from tunesmith.train.tokenizer import make_tokenizer

_SUMMARY = "prepared.json"
_ROWS_PER_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    """The training set of a run, on disk.

    Attributes:
        folder: where it lies, absolute.
        num_examples: conversations.
        num_rows: rows of at most sequence_length tokens.
        num_tokens: tokens in all rows, padding not counted.
        num_loss_tokens: those that count in the loss.
        vocabulary_size: tokens of the tokenizer.
    """

    folder: str
    num_examples: int
    num_rows: int
    num_tokens: int
    num_loss_tokens: int
    vocabulary_size: int

    @property
    def rows_file(self) -> Path:
        """Arrow stream of the rows."""
        return Path(self.folder) / "rows.arrow"

    @property
    def tokenizer_folder(self) -> Path:
        """The saved tokenizer."""
        return Path(self.folder) / "tokenizer"


def prepare(config: TrainConfig, examples: Sequence[Example], folder: Path) -> Prepared:
    """Tokenise and pack the examples, once for each fingerprint.

    Args:
        config: the recipe.
        examples: its conversations.
        folder: where to put the result; a complete one found there is used as it is.

    Returns:
        The training set.

    Raises:
        DataError: an example cannot be rendered or is too long.
        ModelNotFoundError: there is no such base.
        ConfigError: the base has no usable tokenizer.
        StorageError: the folder cannot be written.
    """
    if (folder / _SUMMARY).exists():
        return Prepared(**json.loads((folder / _SUMMARY).read_text(encoding="utf-8")))
    tokenizer = make_tokenizer(config, examples)
    tokens = list(render(examples, tokenizer, loss_on=config.loss_on))
    rows = pack(tokens, sequence_length=config.sequence_length, packing=config.packing)
    prepared = Prepared(
        folder=str(folder),
        num_examples=len(examples),
        num_rows=len(rows),
        num_tokens=sum(len(row.input_ids) for row in rows),
        num_loss_tokens=sum(label != IGNORED for row in rows for label in row.labels),
        vocabulary_size=len(tokenizer),
    )
    try:
        _save(prepared, rows, tokenizer)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}. Free some disk space.") from error
    return prepared


def _save(prepared: Prepared, rows: Sequence[Row], tokenizer: object) -> None:
    folder = Path(prepared.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer.save_pretrained(prepared.tokenizer_folder)  # type: ignore[attr-defined]
    _write_rows(prepared.rows_file, rows)
    # The summary comes last, by a rename: a folder that has one is complete.
    partial = folder / f"{_SUMMARY}.partial"
    partial.write_text(json.dumps(asdict(prepared)), encoding="utf-8")
    os.replace(partial, folder / _SUMMARY)


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    import pyarrow as pa

    lists = pa.list_(pa.int32())
    schema = pa.schema([("input_ids", lists), ("labels", lists), ("position_ids", lists)])
    with path.open("wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for start in range(0, len(rows), _ROWS_PER_BATCH):
            batch = rows[start : start + _ROWS_PER_BATCH]
            columns = [[getattr(row, name) for row in batch] for name in schema.names]
            stream.write_batch(pa.record_batch([pa.array(c, lists) for c in columns], schema=schema))
