"""Invented names and values: made from syllables and ranges, so that none can be known by heart.

Names are split by a hash into those for training and those for evaluation: a name of the one side is
never made on the other.
"""

from __future__ import annotations

import hashlib
import random
from typing import Literal

Split = Literal["train", "evaluation"]

_ONSETS = "b br c ch cl d dr f fl g gl gr h j k kr l m n p pl pr qu r s sc sh sk sl st t th tr v vr w wh y z zw".split()
_VOWELS = "a a a e e e i i o o u ae ai au ea ei ia io oa ou ue y".split()
_CODAS = "b ck d f g k l ll m n nd ng nt p r rd rk rm rn rt s sh sk ss st t th v x z".split()
_PLACE_ENDS = "bury by dale field ford ham haven holm minster moor mouth port stead ton wick worth".split()
_COMPANY_ENDS = (
    "Works Ltd Group Partners Brothers Foods Systems Textiles Motors Labs Energy Shipping Instruments Paper Glass "
    "Mills Robotics Optics Foundry Trading"
).split()

NAME_FRAMES: dict[str, tuple[str, ...]] = {
    "product": ("the {n} {d}", "{n} {d}", "the {n} lamp", "the {n} kettle", "the {n} drill", "the {n} desk", "{n} Pro",
                "the {n} chair", "the {n} backpack", "{n} paint", "the {n} filter"),
    "building": ("the {n} Hall", "the {n} Tower", "{n} House", "the {n} Library", "the {n} lighthouse", "the {n} bridge",
                 "the {n} Theatre", "{n} Castle", "the {n} Museum", "the {n} station", "the {n} mill", "the {n} chapel"),
    "vessel": ("the {n}", "the {n} Star", "the ferry {n}", "the {n} Queen", "the tanker {n}", "the yacht {n}"),
    "team": ("the {n} team", "{n} United", "the {n} Rovers", "the {n} crew", "the {n} group", "the {n} unit"),
    "device": ("the {n} scanner", "the {n} router", "the {n} printer", "the {n} sensor", "the {n} camera",
               "the {n} phone", "the {n} pump", "the {n} {d}"),
    "event": ("the {n} fair", "the {n} conference", "the {n} Cup", "the {n} meeting", "the {n} race", "the {n} summit"),
    "animal": ("the {n} owl", "the {n} frog", "the {n} deer", "the {n} whale", "the {n} finch", "the {n} lizard",
               "the {n} fox", "the {n} beetle"),
    "plant": ("the {n} fern", "the {n} oak", "the {n} lily", "the {n} rose", "the {n} pine", "the {n} cactus"),
    "book": ('"{n}"', '"The {n}"', '"The {n} Road"', '"{n} Rising"', '"Letters from {n}"', '"The House of {n}"'),
    "vehicle": ("the {n} van", "the {n} truck", "the {n} {d}", "the {n} bus", "the {n} tram", "the {n} motorcycle"),
    "school": ("{n} College", "{n} School", "the {n} Academy", "{n} University", "the {n} Institute"),
    "project": ("the {n} project", "Project {n}", "the {n} programme", "the {n} plan"),
    "food": ("{n} bread", "{n} soup", "the {n} cake", "{n} cheese", "{n} stew", "the {n} pie"),
    "river": ("the {n}", "the River {n}", "the {n} River"),
    "machine": ("the {n} press", "the {n} lathe", "the {n} crane", "the {n} engine", "the {n} mixer", "the {n} oven",
                "the {n} loom", "the {n} {d}", "the {n} conveyor"),
    "festival": ("the {n} Festival", "the {n} Carnival", "the Feast of {n}", "the {n} Week"),
    "song": ('"{n}"', '"Song of {n}"', '"{n} Nights"', '"Goodbye, {n}"'),
    "document": ("the {n} policy", "the {n} manual", "the {n} contract", "the {n} report", "the {n} guideline"),
    "site": ("the {n} depot", "the {n} plant", "the {n} office", "the {n} warehouse", "the {n} site", "the {n} branch"),
    "room": ("the {n} room", "the {n} lab", "the {n} hall", "the {n} lounge", "the {n} workshop"),
    "course": ("the {n} course", "the {n} workshop", "the {n} seminar", "the {n} training"),
    "software": ("{n}", "{n}DB", "the {n} app", "the {n} server", "{n} Cloud", "the {n} portal"),
    "customer": ("{n} Stores", "{n} Hotels", "{n} Clinic", "the {n} council", "{n} Airlines", "{n} Farms"),
}  # fmt: skip


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
