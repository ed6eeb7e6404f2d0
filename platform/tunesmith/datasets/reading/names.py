"""Invented names and values: made from syllables and ranges, so that none can be known by heart.

Names are split by a hash into those for training and those for evaluation: a name of the one side is
never made on the other.
"""

from __future__ import annotations

import hashlib
import random
from importlib.resources import files
from typing import Literal

import yaml

Split = Literal["train", "evaluation"]

NAME_FRAMES: dict[str, list[str]] = yaml.safe_load(
    (files("tunesmith.datasets.reading") / "relations" / "names.yaml").read_text(encoding="utf-8")
)
"""Frames for the names of each kind of entity: `{n}` is an invented word, `{d}` a number."""


_PIECES: dict[str, list[str]] = yaml.safe_load(
    (files("tunesmith.datasets.reading") / "relations" / "pieces.yaml").read_text(encoding="utf-8")
)


class NameMaker:
    """Makes names for one side of the split.

    Args:
        rng: the source of chance.
        split: `train` or `evaluation`.
    """

    def __init__(self, rng: random.Random, split: Split) -> None:
        self._rng = rng
        self._split = split

    def word(self) -> str:
        """One capitalised invented word on this side of the split."""
        while True:
            word = (self._like_a_town() if self._rng.random() < 0.7 else self._like_none()).capitalize()
            if len(word) > 2 and split_of(word) == self._split:
                return word

    def _like_a_town(self) -> str:
        middle = self._rng.choice(_PIECES["starts"]) if self._rng.random() < 0.15 else ""
        return self._rng.choice(_PIECES["starts"]) + middle + self._rng.choice(_PIECES["ends"])

    def _like_none(self) -> str:
        pieces = [
            self._rng.choice(_PIECES["onsets"]) + self._rng.choice(_PIECES["vowels"])
            for _ in range(self._rng.choice((1, 2, 2)))
        ]
        return "".join(pieces) + self._rng.choice(_PIECES["codas"])

    def person(self) -> str:
        """A first and a family name."""
        return f"{self.word()} {self.word()}"

    def place(self) -> str:
        """A town, a region or a street."""
        return self.word() + self._rng.choice(_PIECES["place_ends"])

    def company(self) -> str:
        """A company."""
        return f"{self.word()} {self._rng.choice(_PIECES['company_ends'])}"

    def of(self, kind: str) -> str:
        """A name for an entity of this kind.

        Args:
            kind: `person`, `place`, `company` or a key of `NAME_FRAMES`.

        Returns:
            The name, with its article where it has one.
        """
        if kind == "person":
            return self.person()
        if kind == "place":
            return self.place()
        if kind == "company":
            return self.company()
        frame = self._rng.choice(NAME_FRAMES[kind])
        return frame.format(n=self.word(), d=self._rng.randrange(2, 990))


def split_of(word: str) -> Split:
    """The side of the split that a name or value belongs to: one in eight is for evaluation.

    Args:
        word: the name or value.

    Returns:
        `train` or `evaluation`.
    """
    return "evaluation" if hashlib.sha256(word.lower().encode()).digest()[0] % 8 == 0 else "train"
