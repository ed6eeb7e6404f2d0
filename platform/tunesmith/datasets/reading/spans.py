"""Values of several words, whose end has to be found: opening hours, dates within a year, roles, places, ratios.

A reader that has only seen one word or one number answer a question says "07:00" where the sources say "07:00 to
18:30", and "the archive" where they say "the archive steward".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from tunesmith.datasets.reading.names import NameMaker
from tunesmith.datasets.reading.phrases import MONTHS, NTHS, SMALL_NUMBERS, UNITS, WEEKDAYS, PhraseMaker

_LIVING = (
    "cousins",
    "sisters",
    "brothers",
    "friends",
    "neighbours",
    "partners",
    "former pupils",
    "volunteers",
)
_STREETS = ("Street", "Lane", "Road", "Square", "Hill", "Row", "Quay", "Gardens")
_PROJECTS = ("Project", "Operation", "Plan", "Team", "Scheme")
_CLOTHES = (
    "vests",
    "socks",
    "gloves",
    "caps",
    "aprons",
    "overalls",
    "boots",
    "scarves",
    "coats",
    "ribbons",
    "ear plugs",
)
_HOLDERS = ("cabinet", "shelf", "drawer", "rack", "locker", "safe", "hook board", "tray")
_DESKS = ("counter", "window", "desk", "gate", "hatch", "booth", "bay", "door")
_MANNERS = (
    *("by registered letter", "by post", "by telephone", "by bank transfer", "in cash", "over the counter"),
    *(
        "without notice",
        "in person",
        "in writing",
        "by a show of hands",
        "by lot",
        "online",
        "free of charge",
    ),
)

SPAN_KINDS = (
    *("hours", "appointment", "season", "ratio", "scale", "role", "spot", "address", "nickname", "outfit"),
    *("amounts", "manner"),
)
"""Kinds as relations write them, each made by the method of that name."""


class SpanMaker:
    """Makes values of several words.

    Args:
        rng: the source of chance.
        names: maker of names, on one side of the split.
        phrases: maker of phrases, with names from the same side.
    """

    def __init__(self, rng: random.Random, names: NameMaker, phrases: PhraseMaker) -> None:
        self._rng = rng
        self._names = names
        self._phrases = phrases

    def kinds(self) -> Mapping[str, Callable[[], str]]:
        """How a value is made, by the name of its kind as relations write it."""
        return {kind: getattr(self, kind) for kind in SPAN_KINDS}

    def hours(self) -> str:
        """From when until when: `07:00 to 18:30`."""
        opens, closes = self._clock(4, 13), self._clock(13, 24)
        return f"{opens} {self._rng.choice(('to', 'to', 'until', 'till'))} {closes}"

    def appointment(self) -> str:
        """A day and a time of day: `Friday at 16:30`."""
        rng = self._rng
        day = rng.choice(
            (
                rng.choice(WEEKDAYS),
                f"the {rng.choice(NTHS)} {rng.choice(WEEKDAYS)}",
                f"{rng.choice(WEEKDAYS)} and {rng.choice(WEEKDAYS)}",
                f"{rng.randrange(1, 29)} {rng.choice(MONTHS)}",
            )
        )
        return f"{day} at {self._clock(6, 22)}"

    def season(self) -> str:
        """A part of a year: `the second Saturday in May`."""
        rng = self._rng
        month = rng.choice(MONTHS)
        whole = rng.choice((month, "the month", "the quarter", "the season", "the year", "the term"))
        return rng.choice(
            (
                f"the {rng.choice(NTHS)} {rng.choice(WEEKDAYS)} {rng.choice(('in', 'of'))} {month}",
                f"the {rng.choice(NTHS)} week of {month}",
                f"the {rng.choice(('end', 'beginning', 'middle', 'start'))} of {whole}",
                f"the {rng.choice(NTHS)} working day of {whole}",
                f"{month} {rng.randrange(1950, 2040)}",
                f"{rng.choice(('early', 'late', 'mid'))} {month}",
                f"{rng.randrange(1, 29)} {month}",
            )
        )

    def ratio(self) -> str:
        """So many of so many: `one in twenty-five`."""
        rng = self._rng
        whole = rng.choice((rng.choice(SMALL_NUMBERS), str(rng.randrange(2, 120))))
        return rng.choice(
            (
                f"one in {whole}",
                f"one {self._phrases.noun('things')} in every {whole}",
                f"{rng.choice(SMALL_NUMBERS)} out of {whole}",
                f"one of every {whole}",
                f"{rng.choice(SMALL_NUMBERS)} to {whole}",
            )
        )

    def scale(self) -> str:
        """From the least to the most: `one to seven`."""
        rng = self._rng
        highest = rng.choice((4, 5, 6, 7, 9, 10, 12, 20, 50, 100))
        last = rng.choice("CDEFGH")
        return rng.choice(
            (f"{rng.choice((0, 1))} to {highest}", f"one to {rng.choice(SMALL_NUMBERS)}", f"A to {last}")
        )

    def role(self) -> str:
        """Who holds an office: `the archive steward`, `two cousins`."""
        rng = self._rng
        if rng.random() < 0.12:
            return f"{rng.choice(SMALL_NUMBERS)} {rng.choice(_LIVING)}"
        deputy = rng.choice(("deputy ", "senior ", "junior ", "second ")) if rng.random() < 0.2 else ""
        return f"{rng.choice(('the', 'the', 'the', 'a', 'any'))} {deputy}{self._phrases.office_holder()}"

    def spot(self) -> str:
        """A place as one points it out: `the green cabinet`, `window C`."""
        rng, desk = self._rng, self._rng.choice((*_HOLDERS, *_DESKS))
        return rng.choice(
            (
                f"the {self._phrases.adjective()} {desk}",
                f"the {self._phrases.noun('things')} {desk}",
                f"{desk} {rng.choice((rng.choice('ABCDEFGH'), str(rng.randrange(1, 40))))}",
                f"the {desk} beside the {self._phrases.noun('places')}",
                f"the {self._phrases.compound_place()}",
                f"the {self._names.word()} {desk}",
            )
        )

    def address(self) -> str:
        """A house in a street: `9 Corran Street`."""
        rng = self._rng
        letter = rng.choice("abc") if rng.random() < 0.15 else ""
        return f"{rng.randrange(1, 200)}{letter} {self._names.word()} {rng.choice(_STREETS)}"

    def nickname(self) -> str:
        """What something is called among those who know it: `the gallery`, `Project Hush`."""
        rng, word = self._rng, self._names.word()
        return rng.choice(
            (
                word,
                word.lower(),
                f"the {self._phrases.noun('things')}",
                f"{rng.choice(_PROJECTS)} {word}",
                f"the {word} {self._phrases.noun('things')}",
                f"a {self._phrases.noun('things').replace(' ', '')}mate",
            )
        )

    def outfit(self) -> str:
        """What is worn or given: `lime-yellow vests`."""
        rng, clothes = self._rng, self._rng.choice(_CLOTHES)
        return rng.choice(
            (
                f"{self._phrases.adjective()} {clothes}",
                f"{self._phrases.adjective()}-{self._phrases.adjective()} {clothes}",
                f"a {self._phrases.noun('things')} and {rng.choice(SMALL_NUMBERS)} {clothes}",
                f"{self._phrases.adjective()} {self._phrases.noun('things')} {clothes}",
            )
        )

    def amounts(self) -> str:
        """How many of what: `three written offers`."""
        rng = self._rng
        number = rng.choice((rng.choice(SMALL_NUMBERS), str(rng.randrange(2, 900))))
        per = rng.choice(("minute", "hour", "day", "year", "person", "member"))
        return rng.choice(
            (
                f"{number} {self._phrases.noun('things')}s",
                f"{number} {self._phrases.adjective()} {self._phrases.noun('things')}s",
                f"{number} {rng.choice(UNITS)} per {per}",
                f"{number} {rng.choice(UNITS)}",
                self._phrases.duration(),
            )
        )

    def manner(self) -> str:
        """How something is done: `by registered letter`."""
        rng = self._rng
        return rng.choice(
            (
                rng.choice(_MANNERS),
                f"with the {rng.choice(NTHS)} {self._phrases.noun('things')}",
                f"through the {self._phrases.office_holder()}",
                f"on a {self._phrases.adjective()} {self._phrases.noun('things')}",
                f"without {rng.choice(('a', 'any'))} {self._phrases.noun('things')}",
            )
        )

    def _clock(self, earliest: int, latest: int) -> str:
        hour = self._rng.randrange(earliest, latest)
        minute = self._rng.choice((0, 15, 30, 45, self._rng.randrange(60)))
        return f"{hour:02d}:{minute:02d}" if self._rng.random() < 0.7 else f"{hour}:{minute:02d}"
