"""Phrases for the parts of a sentence: things, people, places, times, amounts; in ordinary and invented words."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from tunesmith.datasets.reading.names import NameMaker
from tunesmith.datasets.reading.verbs import Verb, read_verbs, regular

_INVENTED = 0.3
"""Share of nouns and verbs that are words nobody has seen."""

_REWORDED = 0.25
"""Share of words of a question that another word stands for, where there is one."""

_COMPOUND = 0.15
"""Share of roles and places that are called after a thing: "the ladder clerk"."""

_OFFICES = (
    *("clerk", "steward", "lead", "officer", "keeper", "warden", "assistant"),
    *("coordinator", "manager", "inspector", "team", "desk", "head", "adviser", "master"),
    "secretary",
)
_ROOMS = (
    *("room", "store", "hall", "yard", "office", "corner", "shed", "counter", "lobby"),
    *("workshop", "cellar"),
)
NTHS = ("first", "second", "third", "fourth", "last")

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SMALL_NUMBERS = (
    *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("fifteen", "sixteen", "twenty", "twenty-one", "twenty-five", "thirty", "forty-five", "fifty", "sixty"),
)
UNITS = (
    *(
        "euros",
        "per cent",
        "kilometres",
        "litres",
        "tonnes",
        "metres",
        "degrees",
        "kilograms",
        "square metres",
    ),
    *("grams per metre", "sheets", "volts", "crowns", "points", "pages", "credits", "seats"),
)
_SPANS = ("minutes", "hours", "days", "weeks", "months", "years", "working days")


class PhraseMaker:
    """Makes phrases as they stand inside a sentence.

    Args:
        rng: the source of chance.
        names: maker of names; invented words come from the same side of the split.
    """

    def __init__(self, rng: random.Random, names: NameMaker) -> None:
        self._rng = rng
        self._names = names
        self._words = _lexicon()

    def of(self, kind: str) -> str:
        """A phrase of one kind.

        Args:
            kind: `agent`, `thing`, `place`, `when`, `day`, `often`, `duration`, `amount`, `share`, `count`,
                `name`, `made`, `tool`, `why`, or `which:NOUN` for one of the things called NOUN.

        Returns:
            The phrase.
        """
        kind, _, noun = kind.partition(":")
        return self.which(noun) if noun else str(getattr(self, kind)())

    def agent(self) -> str:
        """Someone or something that acts."""
        if self._rng.random() < 0.2:
            return self._names.of(self._rng.choice(("person", "company", "team", "machine", "customer")))
        return self._with_article(self.office_holder())

    def office_holder(self) -> str:
        """A role without its article: `auditor`, `ladder clerk`."""
        if self._rng.random() < _COMPOUND:
            return f"{self.noun('things')} {self._rng.choice(_OFFICES)}"
        return self.noun("roles")

    def compound_place(self) -> str:
        """A place without its article: `canteen`, `ladder store`."""
        if self._rng.random() < _COMPOUND:
            return f"{self.noun('things')} {self._rng.choice(_ROOMS)}"
        return self.noun("places")

    def thing(self) -> str:
        """Something that is acted upon."""
        if self._rng.random() < 0.15:
            kinds = ("product", "machine", "vehicle", "device", "document", "room")
            return self._names.of(self._rng.choice(kinds))
        adjective = f"{self.adjective()} " if self._rng.random() < 0.45 else ""
        more = self._modifier() if self._rng.random() < 0.2 else ""
        return self._with_article(f"{adjective}{self.noun('things')}") + more

    def tool(self) -> str:
        """Something to work with."""
        return self.thing()

    def which(self, noun: str) -> str:
        """One thing among those of its name: `the brass bell`, `Valve 63`, `Olten bridge`."""
        return self._rng.choice(
            (
                f"the {self.adjective()} {noun}",
                f"{noun} {self._rng.randrange(2, 100)}",
                f"the {self._names.word()} {noun}",
                f"{self._names.word()} {noun}",
                f"{self.noun('things')} {noun}",
            )
        )

    def place(self) -> str:
        """Where something is or happens."""
        where = self._names.place() if self._rng.random() < 0.15 else f"the {self.compound_place()}"
        return f"{self._rng.choice(self._words.prepositions)} {where}"

    def when(self) -> str:
        """A time, with its preposition."""
        rng, clock = self._rng, self._clock()
        return rng.choice(
            (
                self.day(),
                f"every {rng.choice(WEEKDAYS)}",
                f"at {clock}",
                f"from {clock}",
                f"in {rng.choice(MONTHS)}",
                f"until {self._date()}",
                f"after {self.duration()}",
                f"within {self.duration()}",
                f"before {clock}",
                f"between {clock} and {self._clock()}",
                f"before the {self.noun('things')}",
                self.often(),
            )
        )

    def day(self) -> str:
        """A day or a part of the year, with its preposition."""
        rng = self._rng
        nth = rng.choice(NTHS)
        return rng.choice(
            (
                f"on {rng.choice(WEEKDAYS)}",
                f"on {self._date()}",
                f"by {self._date()}",
                f"on the {nth} {rng.choice(WEEKDAYS)}",
                f"on the {nth} {rng.choice(WEEKDAYS)} of {rng.choice(MONTHS)}",
                f"in the {nth} week of {rng.choice(MONTHS)}",
                f"on the {nth} working day of the month",
                f"at the end of {rng.choice(MONTHS)}",
                f"on {rng.choice(WEEKDAYS)}s and {rng.choice(WEEKDAYS)}s",
                f"in {rng.randrange(1850, 2040)}",
            )
        )

    def often(self) -> str:
        """How often something happens."""
        rng = self._rng
        return rng.choice(
            (
                f"every {self._number()} {rng.choice(_SPANS)}",
                f"every {rng.choice(WEEKDAYS)}",
                f"{rng.choice(('once', 'twice', 'three times', 'four times'))} a "
                f"{rng.choice(('day', 'week', 'month', 'quarter', 'year'))}",
                f"every {rng.choice(('second', 'third'))} {rng.choice(('day', 'week', 'month'))}",
            )
        )

    def duration(self) -> str:
        """A span of time."""
        half = f" and a half {self._rng.choice(('hours', 'weeks', 'months', 'years'))}"
        if self._rng.random() < 0.1:
            return self._rng.choice(("two", "three", "four", "six")) + half
        return f"{self._number()} {self._rng.choice(_SPANS)}"

    def amount(self) -> str:
        """A quantity with its unit."""
        rng = self._rng
        if rng.random() < 0.25:
            return self.duration()
        number = rng.choice((rng.randrange(2, 100), rng.randrange(100, 9000), rng.randrange(2, 90) * 100))
        written = f"{rng.randrange(1, 20)}.{rng.randrange(1, 10)}" if rng.random() < 0.12 else f"{number:,}"
        return f"{written} {rng.choice(UNITS)}"

    def share(self) -> str:
        """A part of a whole."""
        rng = self._rng
        if rng.random() < 0.2:
            return rng.choice(("half", "a third", "a quarter", "two thirds", "a fifth", "three quarters"))
        decimals = f".{rng.randrange(1, 10)}" if rng.random() < 0.25 else ""
        return f"{rng.randrange(2, 100)}{decimals} {rng.choice(('per cent', 'percent'))}"

    def count(self) -> str:
        """A number of things."""
        rng = self._rng
        return rng.choice(SMALL_NUMBERS) if rng.random() < 0.45 else f"{rng.randrange(2, 3000):,}"

    def name(self) -> str:
        """What something is called."""
        word = self.noun("things").title() if self._rng.random() < 0.4 else self._names.word()
        second = f" {self._names.word()}" if self._rng.random() < 0.2 else ""
        return f"{self._rng.choice(('the ', '', ''))}{word}{second}"

    def made(self) -> str:
        """What something is made of."""
        noun = self.noun("things")
        return f"{self.adjective()} {noun}" if self._rng.random() < 0.6 else noun

    def why(self) -> str:
        """A reason."""
        return self._rng.choice(
            (
                f"because of {self.thing()}",
                f"for the sake of {self.agent()}",
                f"to {self.verb().base} {self.thing()}",
                f"as a sign of {self.noun('things')}",
                f"to help {self.agent()}",
            )
        )

    def noun(self, kind: str) -> str:
        """A noun in the singular.

        Args:
            kind: `roles`, `things` or `places`.

        Returns:
            One or two words.
        """
        if self._rng.random() >= _INVENTED:
            return str(self._rng.choice(getattr(self._words, kind)))
        word = self._names.word().lower()
        return word if self._rng.random() < 0.6 else f"{self._rng.choice(self._words.adjectives)} {word}"

    def verb(self) -> Verb:
        """A verb."""
        if self._rng.random() < _INVENTED:
            return regular(self._names.word().lower())
        return self._rng.choice(self._words.verb_list)

    def alike(self, verb: Verb) -> Verb:
        """The verb itself, or now and then one that means nearly the same.

        Args:
            verb: the verb of a statement.

        Returns:
            The verb of its question.
        """
        if verb.alike and self._rng.random() < _REWORDED:
            return self._words.verbs[self._rng.choice(verb.alike)]
        return verb

    def reword(self, phrase: str) -> str:
        """Now and then put a noun that means nearly the same for the last one of a phrase.

        Args:
            phrase: a phrase with or without an article.

        Returns:
            The phrase, reworded or not.
        """
        if self._rng.random() >= _REWORDED:
            return phrase
        words = phrase.split()
        for start in (-2, -1):
            head = " ".join(words[start:])
            if len(words) >= -start and head in self._words.nouns_alike:
                return " ".join([*words[:start], self._rng.choice(self._words.nouns_alike[head])])
        return phrase

    def adjective(self) -> str:
        """An adjective, now and then a word nobody has seen."""
        invented = self._rng.random() < 0.2
        return self._names.word().lower() if invented else str(self._rng.choice(self._words.adjectives))

    def _modifier(self) -> str:
        """What sets a thing apart from others of its name."""
        return self._rng.choice(
            (
                f" of {self._with_article(self.noun('things'))}",
                f" for {self._with_article(self.noun('roles'))}",
                f" in the {self.noun('places')}",
                f" at {self._names.place()}",
                f" above {self.amount()}",
                f" with {self.count()} {self.noun('things')}s",
            )
        )

    def _with_article(self, phrase: str) -> str:
        article = self._rng.choice(("the ", "the ", "the ", "a ", "every ", "each ", ""))
        return f"an {phrase}" if article == "a " and phrase[0] in "aeiou" else article + phrase

    def _number(self) -> str:
        written = self._rng.random() < 0.45
        return self._rng.choice(SMALL_NUMBERS) if written else str(self._rng.randrange(2, 100))

    def _clock(self) -> str:
        return f"{self._rng.randrange(24):02d}:{self._rng.randrange(60):02d}"

    def _date(self) -> str:
        return f"{self._rng.randrange(1, 29)} {self._rng.choice(MONTHS)}"


@dataclass(frozen=True, slots=True)
class _Lexicon:
    roles: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]
    prepositions: tuple[str, ...]
    adjectives: tuple[str, ...]
    verbs: Mapping[str, Verb]
    verb_list: tuple[Verb, ...]
    nouns_alike: Mapping[str, tuple[str, ...]]


@cache
def _lexicon() -> _Lexicon:
    path = files("tunesmith.datasets.reading") / "relations" / "lexicon.yaml"
    loaded: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    verbs = read_verbs(loaded.pop("verbs"))
    groups = loaded.pop("nouns_alike")
    return _Lexicon(
        **{key: tuple(map(str, words)) for key, words in loaded.items()},
        verbs=verbs,
        verb_list=tuple(verbs.values()),
        nouns_alike={
            noun: tuple(other for other in group if other != noun) for group in groups for noun in group
        },
    )
