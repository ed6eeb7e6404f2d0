"""Sentences built by a grammar: who did what, where, when and with what, in ordinary and in invented words.

    statement   The stock controller replaces the brass bell behind the mill.
    questions   Who replaces the brass bell?  What does the stock controller replace?  Where is it replaced?

Each event is a relation like the written ones; there are more of them than any model can know by heart,
so that what is learnt is to line up a question with a sentence and to read off what is missing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from tunesmith.datasets.reading.names import NameMaker
from tunesmith.datasets.reading.relations import Relation

EVENT = "event phrase"
"""Kind of the subject of every event."""

_INVENTED = 0.3
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Frame:
    """How an asked part is stated and asked.

    Slots: `{s}` the entity, `{v}` the asked value, `<base> <third> <past> <part>` forms of the verb,
    `<agent>` and `<thing>` phrases that are the same in statement and question, `<more>` an adjunct or nothing.
    The last statement and the last question are kept for evaluation.
    """

    value: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]

    @property
    def uses_verb(self) -> bool:
        """Whether the verb tells two events of this frame apart."""
        return all(
            "<base>" in text or "<part>" in text or "<third>" in text or "<past>" in text
            for text in self.questions
        )


FRAMES = (
    Frame(
        "agent",
        (
            "{v} <third> {s}<more>.",
            "{s} is <part> by {v}<more>.",
            "{v} <past> {s}<more>.",
            "{s} was <part> by {v}<more>.",
            "Only {v} may <base> {s}<more>.",
            "{v} must <base> {s}<more>.",
            "{s} has to be <part> by {v}<more>.",
        ),
        (
            "Who <third> {s}?",
            "By whom is {s} <part><more>?",
            "Who <past> {s}<more>?",
            "Who must <base> {s}?",
            "Which person or team <third> {s}<more>?",
            "Who may <base> {s}?",
            "By whom was {s} <part>?",
        ),
    ),
    Frame(
        "thing",
        (
            "{s} <third> {v}<more>.",
            "{v} is <part> by {s}<more>.",
            "{s} <past> {v}<more>.",
            "{v} was <part> by {s}<more>.",
            "{s} must <base> {v}<more>.",
            "{s} can <base> {v}<more>.",
        ),
        (
            "What does {s} <base><more>?",
            "What is <part> by {s}?",
            "What did {s} <base>?",
            "What must {s} <base>?",
            "Which thing does {s} <base><more>?",
            "What can {s} <base><more>?",
        ),
    ),
    Frame(
        "place",
        (
            "<agent> <third> {s} {v}.",
            "{s} is <part> {v}<more>.",
            "{s} was <part> {v}.",
            "<agent> <past> {s} {v}<more>.",
            "{s} may be <part> only {v}.",
        ),
        (
            "Where does <agent> <base> {s}?",
            "Where is {s} <part>?",
            "Where was {s} <part>?",
            "At which place is {s} <part>?",
            "Where may {s} be <part>?",
        ),
    ),
    Frame(
        "place",
        (
            "{s} stands {v}.",
            "You can find {s} {v}.",
            "{s} is {v}.",
            "{s} can be found {v}<more>.",
            "Look for {s} {v}.",
        ),
        (
            "Where does {s} stand?",
            "Where can {s} be found?",
            "Where is {s}?",
            "At which place is {s}?",
            "Where should one look for {s}?",
        ),
    ),
    Frame(
        "when",
        (
            "<agent> <third> {s} {v}.",
            "{s} is <part> {v}<more>.",
            "{s} was <part> {v}.",
            "{s} must be <part> {v}.",
            "<agent> <past> {s} {v}<more>.",
        ),
        (
            "When does <agent> <base> {s}?",
            "When is {s} <part>?",
            "When was {s} <part>?",
            "At what time is {s} <part>?",
            "When must {s} be <part>?",
        ),
    ),
    Frame(
        "when",
        ("{s} ends {v}.", "{s} is over {v}.", "{s} closes {v}.", "{s} comes to an end {v}."),
        ("When does {s} end?", "When is {s} over?", "When does {s} close?", "When does {s} come to an end?"),
    ),
    Frame(
        "tool",
        (
            "<agent> <third> {s} with {v}.",
            "{s} is <part> with {v}<more>.",
            "{s} was <part> with {v}.",
            "{v} is needed to <base> {s}.",
            "To <base> {s}, <agent> takes {v}.",
        ),
        (
            "With what does <agent> <base> {s}?",
            "What is {s} <part> with?",
            "With what was {s} <part>?",
            "What is needed to <base> {s}?",
            "What does one take to <base> {s}?",
        ),
    ),
    Frame(
        "amount",
        (
            "{s} is <part> at {v}<more>.",
            "{s} was <part> at {v}.",
            "{s} must be <part> at {v}.",
            "<agent> <third> {s} at {v}.",
        ),
        (
            "At what value is {s} <part>?",
            "At how much was {s} <part>?",
            "How high is {s} when it is <part>?",
            "At what value does <agent> <base> {s}?",
        ),
    ),
    Frame(
        "amount",
        (
            "{s} lasts {v}.",
            "{s} takes {v}.",
            "{s} goes on for {v}.",
            "It takes {v} to <base> {s}.",
            "{s} is over after {v}.",
        ),
        (
            "How long does {s} last?",
            "How long does {s} take?",
            "For how long does {s} go on?",
            "How long does it take to <base> {s}?",
            "After what time is {s} over?",
        ),
    ),
    Frame(
        "amount",
        (
            "{s} costs {v}<more>.",
            "<agent> pays {v} for {s}.",
            "The price of {s} is {v}.",
            "{s} is sold at {v}.",
            "For {s} one pays {v}.",
        ),
        (
            "How much does {s} cost?",
            "How much does <agent> pay for {s}?",
            "What is the price of {s}?",
            "At what price is {s} sold?",
            "What does one pay for {s}?",
        ),
    ),
    Frame(
        "amount",
        (
            "{s} holds {v}.",
            "Up to {v} can be <part> in {s}.",
            "{s} has room for {v}.",
            "At most {v} may be <part> in {s}.",
            "More than {v} does not fit into {s}.",
        ),
        (
            "How much does {s} hold?",
            "How much can be <part> in {s}?",
            "How much has room in {s}?",
            "How much at most may be <part> in {s}?",
            "How much fits into {s}?",
        ),
    ),
    Frame(
        "count",
        (
            "{s} <third> {v} <thing>s<more>.",
            "{v} <thing>s are <part> by {s}.",
            "{s} <past> {v} <thing>s.",
            "{s} must <base> {v} <thing>s<more>.",
        ),
        (
            "How many <thing>s does {s} <base>?",
            "How many <thing>s are <part> by {s}?",
            "How many <thing>s did {s} <base>?",
            "How many <thing>s must {s} <base>?",
        ),
    ),
    Frame(
        "count",
        (
            "{s} has {v} <thing>s.",
            "{s} owns {v} <thing>s.",
            "There are {v} <thing>s in {s}.",
            "{v} <thing>s belong to {s}.",
        ),
        (
            "How many <thing>s does {s} have?",
            "How many <thing>s does {s} own?",
            "How many <thing>s are there in {s}?",
            "How many <thing>s belong to {s}?",
        ),
    ),
    Frame(
        "name",
        (
            "{s} is known as {v}.",
            "{s} goes by the name {v}.",
            "Everyone calls {s} {v}.",
            "{v} is the name of {s}.",
            "{s} is called {v}<more>.",
            "People know {s} as {v}.",
        ),
        (
            "What is {s} known as?",
            "Under which name does {s} go?",
            "What does everyone call {s}?",
            "What is the name of {s}?",
            "What is {s} called?",
            "By what name do people know {s}?",
        ),
    ),
    Frame(
        "made",
        (
            "{s} is made of {v}.",
            "{v} is used for {s}<more>.",
            "{s} comes in {v}.",
            "{s} is <part> in {v}.",
            "{s} consists of {v}.",
        ),
        (
            "What is {s} made of?",
            "What is used for {s}?",
            "In what does {s} come?",
            "In what is {s} <part>?",
            "What does {s} consist of?",
        ),
    ),
)


class EventMaker:
    """Makes events and the phrases in them.

    Args:
        rng: the source of chance.
        names: maker of names; invented words come from the same side of the split.
    """

    def __init__(self, rng: random.Random, names: NameMaker) -> None:
        self._rng = rng
        self._names = names
        self._words = _lexicon()

    def relation(self) -> Relation:
        """An event whose entity and asked value are still open."""
        frame, verb = self._rng.choice(FRAMES), self._verb()
        slots = {**verb, "agent": self.agent(), "thing": self._noun("things"), "more": ""}
        return Relation(
            name=f"event:{FRAMES.index(frame)}:{verb['base'] if frame.uses_verb else ''}",
            subject=EVENT,
            subjects=(),
            value=f"event:{frame.value}",
            statements=tuple(_fill(text, slots, self._adjunct(frame)) for text in frame.statements),
            questions=tuple(_fill(text, slots, "") for text in frame.questions),
        )

    def entity(self) -> str:
        """A phrase for the entity of an event."""
        return self.agent() if self._rng.random() < 0.25 else self.thing()

    def value(self, kind: str) -> str:
        """A phrase for the asked part.

        Args:
            kind: `event:` and the frame's value.

        Returns:
            The phrase, as it stands inside a sentence.
        """
        makers = {
            "agent": self.agent,
            "thing": self.thing,
            "place": self._place,
            "when": self._when,
            "tool": self.thing,
            "amount": self._amount,
            "count": self._count,
            "name": self._name,
            "made": self._material,
        }
        return makers[kind.removeprefix("event:")]()

    def agent(self) -> str:
        """Someone or something that acts."""
        rng = self._rng
        choice = rng.random()
        if choice < 0.2:
            return self._names.of(rng.choice(("person", "company", "team", "machine", "customer")))
        return self._with_article(self._noun("roles"))

    def thing(self) -> str:
        """Something that is acted upon."""
        rng = self._rng
        if rng.random() < 0.15:
            return self._names.of(rng.choice(("product", "machine", "vehicle", "device", "document", "room")))
        adjective = f"{self._adjective()} " if rng.random() < 0.45 else ""
        of = f" of {self._with_article(self._noun('things'))}" if rng.random() < 0.12 else ""
        return self._with_article(f"{adjective}{self._noun('things')}") + of

    def _with_article(self, phrase: str) -> str:
        article = self._rng.choice(("the ", "the ", "the ", "a ", "every ", "each ", ""))
        return f"an {phrase}" if article == "a " and phrase[0] in "aeiou" else article + phrase

    def _noun(self, kind: str) -> str:
        if self._rng.random() < _INVENTED:
            word = self._names.word().lower()
            return (
                word if self._rng.random() < 0.6 else f"{self._rng.choice(self._words['adjectives'])} {word}"
            )
        return self._rng.choice(self._words[kind])

    def _adjective(self) -> str:
        return (
            self._names.word().lower()
            if self._rng.random() < 0.2
            else self._rng.choice(self._words["adjectives"])
        )

    def _place(self) -> str:
        where = self._names.place() if self._rng.random() < 0.15 else f"the {self._noun('places')}"
        return f"{self._rng.choice(self._words['prepositions'])} {where}"

    def _when(self) -> str:
        rng = self._rng
        day, count = rng.choice(_WEEKDAYS), rng.randrange(2, 90)
        clock = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
        month = rng.choice(("January", "March", "April", "June", "July", "September", "October", "December"))
        return rng.choice(
            (
                f"on {day}",
                f"every {day}",
                f"at {clock}",
                f"in {month}",
                f"until {rng.randrange(1, 29)} {month}",
                f"after {count} days",
                f"within {count} hours",
                f"before {clock}",
                f"every {count} weeks",
                f"on the {rng.choice(('first', 'second', 'third', 'last'))} {day}",
                f"between {clock} and midnight",
                f"before the {self._noun('things')}",
                f"once a {rng.choice(('day', 'week', 'month', 'year'))}",
            )
        )

    def _amount(self) -> str:
        number = self._rng.choice((self._rng.randrange(2, 100), self._rng.randrange(100, 9000)))
        unit = self._rng.choice(
            (
                "euros",
                "per cent",
                "kilometres",
                "litres",
                "days",
                "hours",
                "minutes",
                "tonnes",
                "metres",
                "degrees",
                "kilograms",
                "months",
                "weeks",
                "square metres",
                "grams per metre",
                "sheets",
                "volts",
                "crowns",
            )
        )
        return f"{number:,} {unit}"

    def _count(self) -> str:
        words = (
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "twelve",
            "twenty",
            "forty",
        )
        return self._rng.choice(words) if self._rng.random() < 0.4 else f"{self._rng.randrange(2, 3000):,}"

    def _name(self) -> str:
        words = (
            [self._noun("things").title() for _ in range(1)]
            if self._rng.random() < 0.4
            else [self._names.word()]
        )
        return f"{self._rng.choice(('the ', '', ''))}{' '.join(words)}"

    def _material(self) -> str:
        return (
            f"{self._adjective()} {self._noun('things')}"
            if self._rng.random() < 0.6
            else self._noun("things")
        )

    def _adjunct(self, frame: Frame) -> str:
        if self._rng.random() < 0.6:
            return ""
        return f" {self._place() if frame.value == 'when' or self._rng.random() < 0.5 else self._when()}"

    def _verb(self) -> dict[str, str]:
        base = (
            self._names.word().lower()
            if self._rng.random() < _INVENTED
            else self._rng.choice(self._words["verbs"])
        )
        stem, _, particle = base.partition(" ")
        tail = f" {particle}" if particle else ""
        past = _past(stem) + tail
        return {"base": base, "third": _third(stem) + tail, "past": past, "part": past}


_IRREGULAR = {"cut": "cut", "pay": "paid", "lend": "lent", "hang": "hung", "hide": "hid", "light": "lit"}


def _past(stem: str) -> str:
    if stem in _IRREGULAR:
        return _IRREGULAR[stem]
    if stem.endswith("e"):
        return f"{stem}d"
    if stem.endswith("y") and stem[-2:-1] not in "aeiou":
        return f"{stem[:-1]}ied"
    doubled = stem in ("drop", "wrap", "scan", "plan")
    return f"{stem}{stem[-1] if doubled else ''}ed"


def _third(stem: str) -> str:
    if stem.endswith("y") and stem[-2:-1] not in "aeiou":
        return f"{stem[:-1]}ies"
    return f"{stem}es" if stem.endswith(("s", "sh", "ch", "x", "z")) else f"{stem}s"


def _fill(text: str, slots: dict[str, str], more: str) -> str:
    for slot, words in {**slots, "more": more}.items():
        text = text.replace(f"<{slot}>", words)
    return text


@cache
def _lexicon() -> dict[str, list[str]]:
    path = files("tunesmith.datasets.reading") / "relations" / "lexicon.yaml"
    return {
        key: [str(word) for word in words] for key, words in yaml.safe_load(path.read_text("utf-8")).items()
    }
