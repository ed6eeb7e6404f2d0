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

_ONSETS = [
    "b",
    "br",
    "c",
    "ch",
    "cl",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gl",
    "gr",
    "h",
    "j",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "pr",
    "qu",
    "r",
    "s",
    "sc",
    "sh",
    "sk",
    "sl",
    "st",
    "t",
    "th",
    "tr",
    "v",
    "vr",
    "w",
    "wh",
    "y",
    "z",
    "zw",
]
_VOWELS = [
    "a",
    "a",
    "a",
    "e",
    "e",
    "e",
    "i",
    "i",
    "o",
    "o",
    "u",
    "ae",
    "ai",
    "au",
    "ea",
    "ei",
    "ia",
    "io",
    "oa",
    "ou",
    "ue",
    "y",
]
_CODAS = [
    "b",
    "ck",
    "d",
    "f",
    "g",
    "k",
    "l",
    "ll",
    "m",
    "n",
    "nd",
    "ng",
    "nt",
    "p",
    "r",
    "rd",
    "rk",
    "rm",
    "rn",
    "rt",
    "s",
    "sh",
    "sk",
    "ss",
    "st",
    "t",
    "th",
    "v",
    "x",
    "z",
]
_PLACE_ENDS = [
    "bury",
    "by",
    "dale",
    "field",
    "ford",
    "ham",
    "haven",
    "holm",
    "minster",
    "moor",
    "mouth",
    "port",
    "stead",
    "ton",
    "wick",
    "worth",
]
_COMPANY_ENDS = [
    "Works",
    "Ltd",
    "Group",
    "Partners",
    "Brothers",
    "Foods",
    "Systems",
    "Textiles",
    "Motors",
    "Labs",
    "Energy",
    "Shipping",
    "Instruments",
    "Paper",
    "Glass",
    "Mills",
    "Robotics",
    "Optics",
    "Foundry",
    "Trading",
]

NAME_FRAMES: dict[str, list[str]] = yaml.safe_load(
    (files("tunesmith.datasets.reading") / "relations" / "names.yaml").read_text(encoding="utf-8")
)
"""Frames for the names of each kind of entity: `{n}` is an invented word, `{d}` a number."""


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
        """One capitalised invented word of one to three syllables, on this side of the split."""
        while True:
            count = self._rng.choice((1, 2, 2, 2, 3))
            syllables = [self._rng.choice(_ONSETS) + self._rng.choice(_VOWELS) for _ in range(count)]
            word = ("".join(syllables) + self._rng.choice(_CODAS)).capitalize()
            if len(word) > 2 and split_of(word) == self._split:
                return word

    def person(self) -> str:
        """A first and a family name."""
        return f"{self.word()} {self.word()}"

    def place(self) -> str:
        """A town, a region or a street."""
        ending = self._rng.choice((*_PLACE_ENDS, "", "", " Island", " Street", " Valley", " Bay"))
        return self.word() + ending

    def company(self) -> str:
        """A company."""
        return f"{self.word()} {self._rng.choice(_COMPANY_ENDS)}"

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
