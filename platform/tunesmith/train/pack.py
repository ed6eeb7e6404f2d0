"""Lay examples of different lengths into rows of equal length, and keep them apart.

Positions restart with each example; a model given these positions and no attention mask attends inside an
example only. Nothing predicts the first token of an example: it would be guessed from its neighbour's end.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunesmith.errors import DataError
from tunesmith.train.render import Tokens

IGNORED = -100
"""Label of a token that does not count in the loss."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch, without its padding.

    Attributes:
        input_ids: token ids, at most sequence_length of them.
        labels: the same ids where they count in the loss, `IGNORED` elsewhere.
        position_ids: 0, 1, 2, ... restarting with each example.
    """

    input_ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    position_ids: npt.NDArray[np.int32]


def pack(examples: Sequence[Tokens], *, sequence_length: int, packing: bool = True) -> Iterator[Row]:
    """Fill rows by best fit: longest first, each into the fullest row that still holds it.

    With sequence_length=6 and examples of 3, 2 and 4 tokens:

        tokens     [c c c c b b]      positions  [0 1 2 3 0 1]
                   [a a a . . .]                 [0 1 2 . . .]

    Args:
        examples: rendered examples, any order.
        sequence_length: tokens a row holds.
        packing: False gives each example a row of its own.

    Yields:
        The rows; every example is in exactly one of them.

    Raises:
        DataError: examples are longer than sequence_length; names file and line of each.
    """
    check_lengths(examples, sequence_length=sequence_length)
    lengths = [len(example.ids) for example in examples]
    bins = fit(lengths, capacity=sequence_length) if packing else [[index] for index in range(len(lengths))]
    for indices in bins:
        yield _lay([examples[index] for index in indices])


def check_lengths(examples: Sequence[Tokens], *, sequence_length: int) -> None:
    """Refuse examples that no row can hold: cutting one off would teach it wrongly.

    Args:
        examples: rendered examples.
        sequence_length: tokens a row holds.

    Raises:
        DataError: one line for each that is too long, twenty at most.
    """
    long = [example for example in examples if len(example.ids) > sequence_length]
    if not long:
        return
    longest = max(len(example.ids) for example in long)
    lines = [
        f"{example.file}:{example.line}: {len(example.ids)} tokens are more than sequence_length={sequence_length}."
        for example in long[:20]
    ]
    rest = f" {len(long) - 20} more are too long." if len(long) > 20 else ""
    lines.append(f"Shorten or split them, or use --set sequence_length={longest}.{rest}")
    raise DataError("\n".join(lines), param="sequence_length")


def fit(lengths: Sequence[int], *, capacity: int) -> list[list[int]]:
    """Best-fit decreasing bin packing.

    Args:
        lengths: size of each item, each at most `capacity`.
        capacity: size of a bin.

    Returns:
        Bins of item indices; bins and items in them in a fixed order for equal input.
    """
    bins: list[list[int]] = []
    waiting: dict[int, list[int]] = {}  # room left -> bins with that room
    rooms: list[int] = []  # the keys of `waiting`, sorted
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        place = bisect_left(rooms, lengths[index])
        if place == len(rooms):
            chosen, room = len(bins), capacity
            bins.append([])
        else:
            room = rooms[place]
            chosen = waiting[room].pop()
            if not waiting[room]:
                del waiting[room], rooms[place]
        bins[chosen].append(index)
        left = room - lengths[index]
        if left not in waiting:
            waiting[left] = []
            insort(rooms, left)
        waiting[left].append(chosen)
    return bins


def _lay(examples: Sequence[Tokens]) -> Row:
    labels = [np.where(example.loss_mask, example.ids, IGNORED) for example in examples]
    for label in labels:
        label[0] = IGNORED
    return Row(
        input_ids=np.concatenate([example.ids for example in examples]),
        labels=np.concatenate(labels).astype(np.int32),
        position_ids=np.concatenate([np.arange(len(example.ids), dtype=np.int32) for example in examples]),
    )
