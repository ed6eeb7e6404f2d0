"""Sentences built by a grammar: who did what, where, when and with what, in ordinary and in invented words.

    statement   The stock controller replaces the brass bell behind the mill.
    questions   Who replaces the brass bell?  What does the stock controller replace?  Where is it replaced?

Each event is a relation like the written ones; there are more of them than any model can know by heart,
so that what is learnt is to line up a question with a sentence and to read off what is missing. A question
sometimes says "mend" where the sentence says "repair".
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from tunesmith.datasets.reading.phrases import PhraseMaker
from tunesmith.datasets.reading.relations import Relation

EVENT = "event phrase"
"""Kind of the subject of every event."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How an asked part is stated and asked.

    Slots: `{s}` the entity, `{v}` the asked value, `<base> <third> <past> <part>` forms of the verb,
    `<agent>` and `<thing>` phrases that are the same in statement and question, `<more>` an adjunct or nothing.
    The last statement and the last question are kept for evaluation.

    Attributes:
        number: its place among the frames.
        value: kind of the asked phrase, see `PhraseMaker.of`.
        statements: sentences.
        questions: questions.
    """

    number: int
    value: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]

    def tells_apart(self, slots: dict[str, str]) -> str:
        """The words by which two events of this frame differ: those that every question names."""
        verb = all(any(f"<{form}>" in text for form in _FORMS) for text in self.questions)
        thing = all("<thing>" in text for text in self.questions)
        return f"{slots['base'] if verb else ''}:{slots['thing'] if thing else ''}"


class EventMaker:
    """Makes events and the phrases in them.

    Args:
        rng: the source of chance.
        phrases: maker of phrases; invented words come from the same side of the split.
    """

    def __init__(self, rng: random.Random, phrases: PhraseMaker) -> None:
        self._rng = rng
        self._phrases = phrases
        self._frames = load_frames()

    def relation(self, like: Relation | None = None) -> Relation:
        """An event whose entity and asked value are still open.

        Args:
            like: another event; the new one has its frame, with other words.

        Returns:
            The event.
        """
        frame = self._frames[int(like.name.split(":")[1])] if like else self._rng.choice(self._frames)
        verb = self._phrases.verb()
        slots = {**verb.forms(), "agent": self._phrases.agent(), "thing": self._phrases.noun("things")}
        asked = {**slots, **self._phrases.alike(verb).forms()}
        asked["agent"] = self._phrases.reword(slots["agent"])
        return Relation(
            name=f"event:{frame.number}:{frame.tells_apart(slots)}",
            subject=EVENT,
            subjects=(),
            value=f"event:{frame.value}" + (f":{slots['thing']}" if frame.value == "which" else ""),
            statements=tuple(_fill(text, slots, self._adjunct(frame)) for text in frame.statements),
            questions=tuple(_fill(text, asked, "") for text in frame.questions),
        )

    def entity(self) -> str:
        """A phrase for the entity of an event."""
        return self._phrases.agent() if self._rng.random() < 0.25 else self._phrases.thing()

    def value(self, kind: str) -> str:
        """A phrase for the asked part.

        Args:
            kind: `event:` and the frame's value.

        Returns:
            The phrase, as it stands inside a sentence.
        """
        return self._phrases.of(kind.removeprefix("event:"))

    def word(self) -> str:
        """One word that a noun could be."""
        return self._phrases.noun("things").split()[-1]

    def reword(self, phrase: str) -> str:
        """Now and then say the same with another word, as questions do.

        Args:
            phrase: an entity.

        Returns:
            The phrase, or one that means nearly the same.
        """
        return self._phrases.reword(phrase)

    def _adjunct(self, frame: Frame) -> str:
        if self._rng.random() < 0.55:
            return ""
        timed = frame.value in ("when", "day", "often", "duration")
        return f" {self._phrases.place() if timed or self._rng.random() < 0.5 else self._phrases.when()}"


@cache
def load_frames() -> tuple[Frame, ...]:
    """Read every frame.

    Returns:
        The frames, in order.
    """
    path = files("tunesmith.datasets.reading") / "relations" / "frames.yaml"
    return tuple(
        Frame(number, entry["value"], tuple(entry["statements"]), tuple(entry["questions"]))
        for number, entry in enumerate(yaml.safe_load(path.read_text("utf-8")))
    )


_FORMS = ("base", "third", "past", "part")


def _fill(text: str, slots: dict[str, str], more: str) -> str:
    for slot, words in {**slots, "more": more}.items():
        text = text.replace(f"<{slot}>", words)
    return text
