"""What kind of value a question asks for, and whether an answer can be one. Decided from the words, in English.

    "How many days of leave?"   "27 days", "six weeks"; not "48 euros"
    "When is it paid out?"      "in July", "after 2 weeks"; not "750 euros"
    "Who signs it?"             "the steward"; not "17 degrees"

Only what is plain counts: an answer is turned down where it names a measure of another kind, lacks the number that was
asked for, or says nothing that the question does not say itself. Any other answer may be one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tunesmith.rag.numerals import MONTHS, UNITS
from tunesmith.rag.terms import STOP_WORDS, Term, read_terms, stem

_KINDS = {
    "money": "dollar euro pound yen",
    "share": "percent",
    "time": f"second minute hour day week month year {' '.join(MONTHS)}",
    "length": "metre kilometre centimetre millimetre micrometre mile foot inch",
    "area": "hectare acre",
    "weight": "gram kilogram tonne",
    "volume": "litre",
    "temperature": "degree",
    "data": "kilobyte megabyte gigabyte terabyte",
    "power": "watt kilowatt",
}
_KIND_OF = {
    UNITS.get(unit) or (unit if unit in MONTHS else stem(unit)): kind
    for kind, units in _KINDS.items()
    for unit in units.split()
}
_POWERS = {stem("square"): "area", stem("cubic"): "volume"}
_ANY = frozenset(_KINDS)

_ADJECTIVES = {
    "time length data": "long",
    "length time": "far",
    "time": "old",
    "length": "tall wide deep thick",
    "weight": "heavy",
    "temperature": "hot warm cold",
}
_NOUNS = {
    "time": "date day month year time hour weekday age duration deadline",
    "temperature": "temperature",
    "share": "percentage share humidity proportion",
    "money share": "price cost fee turnover revenue salary wage bonus grant budget",
    "weight": "weight",
    "length": "width height depth thickness diameter distance",
    "length time": "length",
    "area": "area",
}


def _by_word(words: Mapping[str, str]) -> dict[str, frozenset[str]]:
    return {
        UNITS.get(word) or stem(word): frozenset(kinds.split())
        for kinds, listed in words.items()
        for word in listed.split()
    }


_AFTER_HOW, _ASKED_BY = _by_word(_ADJECTIVES), _by_word(_NOUNS)
_MONEY_WORDS = "cost pay paid price spend spent worth charge charged earn fee refund fined"
_ABOUT_MONEY = frozenset(map(stem, _MONEY_WORDS.split()))
_BARE_NOUNS = "name title colour color language country city town"
_WITHOUT_MEASURE = frozenset(map(stem, _BARE_NOUNS.split()))
_QUANTITY_WORDS = """
    half twice double triple third quarter nothing none no free all several few most many more less some dozen dozens
    hundred hundreds thousands millions number entire whole
"""
_QUANTITIES = frozenset(map(stem, _QUANTITY_WORDS.split()))
_REACH = 5
"""Words behind "what" or "which" among which the thing asked for is looked for: "what is the lowest temperature"."""
_DIGITS_OF_A_YEAR = 3
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question asks for.

    Attributes:
        kinds: kinds of measure that an answer may name; empty: none.
        number: whether an answer needs a number, or a word for one.
        name: whether it asks for somebody: a number alone is no answer.
        year: whether it asks for a year.
    """

    kinds: frozenset[str] = _ANY
    number: bool = False
    name: bool = False
    year: bool = False

    @classmethod
    def read(cls, question: str) -> Asked:
        """Find what is asked for.

        Args:
            question: the question.

        Returns:
            What its first question word asks for; whatever may be asked, where that is not plain.
        """
        keys = [term.key for term in read_terms(question) if not _is_adverb(question[term.start : term.end])]
        place = next((place for place, key in enumerate(keys) if key in _QUESTION_WORDS), None)
        if place is None:
            return cls()
        return _QUESTION_WORDS[keys[place]](keys[place + 1 :])

    def fits(self, answer: Sequence[Term], told: frozenset[str]) -> bool:
        """Whether an answer can be what is asked for.

        Args:
            answer: its terms.
            told: keys of the question's terms; a number among them is repeated, not given.

        Returns:
            False where it plainly is something else.
        """
        given = [index for index, term in enumerate(answer) if term.kind == "number" and term.key not in told]
        if given and all(self._is_other(_measure(answer, index)) for index in given):
            return False
        if self.number and not any(term.is_exact or term.key in _QUANTITIES for term in answer):
            return False
        if self.name and given and len([term for term in answer if term.is_content]) == len(given):
            return False
        return not (self.year and given and len(answer) == 1 and len(answer[0].key) < _DIGITS_OF_A_YEAR)

    def _is_other(self, measure: str | None) -> bool:
        return measure is not None and measure not in self.kinds


def can_answer(text: str, terms: Sequence[Term], question: str) -> bool:
    """Whether a short text can answer a question.

    Args:
        text: the answer.
        terms: its terms.
        question: the question asked.

    Returns:
        False where it is plainly something else than what is asked for, or says only what the question says.
    """
    words, asked = _words(text), _words(question)
    repeats = words in asked and " or " not in asked
    told = frozenset(term.key for term in read_terms(question))
    return not (repeats and words.strip()) and Asked.read(question).fits(terms, told)


def _words(text: str) -> str:
    return f" {' '.join(re.findall(_WORD, text.casefold()))} "


def _after_how(following: Sequence[str]) -> Asked:
    match following:
        case ["many", *counted]:
            return _count_of(counted)
        case ["much", verb, *rest] if verb in STOP_WORDS:
            kinds = frozenset({"money", "share"}) if _ABOUT_MONEY.intersection(rest) else _ANY
            return Asked(kinds, number=True)
        case ["much", thing, *_]:
            return Asked(_ASKED_BY.get(thing, _ANY))
        case [adjective, *_]:
            return Asked(_AFTER_HOW.get(adjective, _ANY))
        case _:
            return Asked()


def _count_of(following: Sequence[str]) -> Asked:
    """A number of things, or of units of one kind of measure."""
    for key in following[:2]:
        if kind := _POWERS.get(key) or _KIND_OF.get(key):
            return Asked(frozenset({kind}), number=True)
    return Asked(frozenset({"share"}), number=True)


def _after_what(following: Sequence[str]) -> Asked:
    for place, key in enumerate(following[:_REACH]):
        behind = following[place + 1 : place + 2]
        if behind and behind[0] not in STOP_WORDS:
            continue  # "the year-end bonus" asks for no year
        if key == "number" and behind == ["of"]:
            return _count_of(following[place + 2 :])
        if kinds := _ASKED_BY.get(key):
            return Asked(kinds, year=key == "year")
        if key in _WITHOUT_MEASURE:
            return Asked(frozenset())
    return Asked()


def _measure(terms: Sequence[Term], index: int) -> str | None:
    """The kind of measure that a number is of."""
    before = terms[index - 1].key if index else ""
    if _KIND_OF.get(before) in ("money", "time"):
        return _KIND_OF[before]
    match [term.key for term in terms[index + 1 : index + 3]]:
        case ["per", "cent"]:
            return "share"
        case [power, _] if power in _POWERS:
            return _POWERS[power]
        case [unit, *_]:
            return _KIND_OF.get(unit)
        case _:
            return None


def _is_adverb(word: str) -> bool:
    # Its stem is that of the noun: "what is the monthly amount" asks for no month.
    return word.endswith("ly")


_QUESTION_WORDS: dict[str, Callable[[Sequence[str]], Asked]] = {
    "how": _after_how,
    "what": _after_what,
    "which": _after_what,
    "when": lambda _: Asked(frozenset({"time"})),
    "who": lambda _: Asked(frozenset(), name=True),
    "whom": lambda _: Asked(frozenset(), name=True),
    "where": lambda _: Asked(frozenset({"length"})),
    "why": lambda _: Asked(),
    "whose": lambda _: Asked(),
}
