"""Text as comparable terms: words by their stem, numbers by their value, times and dates in one form.

    "Twenty-seven days from 2026-03-01, 9 am"
     27 day            2026 march 1    9:00

Two texts say the same value when their terms are equal; nothing here knows a language model.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from tunesmith.rag.numerals import (
    MONTH_SPELLINGS,
    MONTHS,
    TENS_AND_ONES,
    UNITS,
    is_multiplier,
    multiply,
    normalise_number,
)

Kind = Literal["word", "number", "code"]
"""`code` is what must match letter for letter: an address, a part number, a time."""

_STOP_WORDS = """
    a about after all also am an and any are as at be been before being both but by can could did do
    does doing for from get gets had has have having he her his how i if in into is it its let many may
    me might much must my of on or our out over shall she should so some such than that the their them
    then there these they this those through to under until up was we were what when where which while
    who whom whose why will with would you your per during each every very just only own same other
    another please tell say says said
"""
_NEGATIONS = "not no never none neither nor without cannot nobody nothing nowhere"
STOP_WORDS = frozenset(_STOP_WORDS.split())
NEGATIONS = frozenset(_NEGATIONS.split())

_TOKEN = re.compile(
    r"""(?P<address>https?://[^\s)\]>"']*[\w/]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
      | (?P<date>\d{4}-\d{2}-\d{2})(?![\w-])
      | (?P<time>\d{1,2}:\d{2}(?:\s*(?:[ap]m\b|[ap]\.m\b\.?))?|\d{1,2}\s*(?:[ap]m\b|[ap]\.m\b\.?))
      | (?P<code>(?=[A-Za-z0-9-]*\d)(?=[A-Za-z0-9-]*[A-Za-z])[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*)
      | (?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?P<suffix>(?:st|nd|rd|th)\b|[A-Za-z]{1,4}\b)?
      | (?P<cjk>[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])
      | (?P<word>[^\W\d_]+(?:['’][^\W\d_]+)?)
      | (?P<symbol>[%$€£¥])""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Term:
    """One comparable piece of a text.

    Attributes:
        key: what equality is decided by.
        kind: a word (stemmed), a number (by value) or a code (exact).
        start: first character in the text.
        end: one past the last.
    """

    key: str
    kind: Kind
    start: int
    end: int

    @property
    def is_content(self) -> bool:
        """Whether it carries meaning of its own: not a stop word, not a negation."""
        return self.kind != "word" or (self.key not in STOP_WORDS and self.key not in NEGATIONS)

    @property
    def is_exact(self) -> bool:
        """Whether nothing but the same value will do."""
        return self.kind != "word"


def read_terms(text: str) -> list[Term]:
    """Take a text apart into terms.

    Args:
        text: any text.

    Returns:
        All terms in order, stop words and negations among them.
    """
    terms = [term for match in _TOKEN.finditer(text) for term in _read_match(match)]
    return _name_may(_join_numbers(terms, text), text)


def _read_match(match: re.Match[str]) -> list[Term]:
    start, end, text = match.start(), match.end(), match.group()
    if match["date"]:
        year, month, day = text.split("-")
        keys = [(normalise_number(year), "number"), *_month(month), (normalise_number(day), "number")]
        return [Term(key, "number" if kind == "number" else "word", start, end) for key, kind in keys]
    if match["time"]:
        return [Term(_time_key(text), "code", start, end)]
    if match["address"] or match["code"]:
        return [Term(text.lower(), "code", start, end)]
    if match["number"]:
        return _read_number(match)
    if match["symbol"]:
        return [Term(UNITS[text], "word", start, end)]
    return _read_word(text, start, end)


def _month(digits: str) -> list[tuple[str, str]]:
    number = int(digits)
    return [(MONTHS[number - 1], "word")] if 1 <= number <= len(MONTHS) else [(str(number), "number")]


def _read_number(match: re.Match[str]) -> list[Term]:
    number = Term(normalise_number(match["number"]), "number", match.start("number"), match.end("number"))
    suffix = (match["suffix"] or "").lower()
    if not suffix or suffix in ("st", "nd", "rd", "th"):
        return [number]
    if suffix in UNITS or suffix in ("k", "m", "bn"):
        return [number, *_read_word(match["suffix"], match.start("suffix"), match.end("suffix"))]
    return [Term(match.group().lower(), "code", match.start(), match.end())]


def _read_word(text: str, start: int, end: int) -> list[Term]:
    word = _plain(text)
    if word.endswith("n't"):
        return [Term("not", "word", start, end)]
    word = re.sub(r"'s?$|'s$", "", word).replace("'", "")
    if word in TENS_AND_ONES:
        return [Term(str(TENS_AND_ONES[word]), "number", start, end)]
    if word in STOP_WORDS or word in NEGATIONS:
        return [Term(word, "word", start, end)]
    return [Term(MONTH_SPELLINGS.get(word) or UNITS.get(word) or stem(word), "word", start, end)]


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text.replace("’", "'")).casefold()
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _time_key(text: str) -> str:
    digits = re.findall(r"\d+", text)
    hour, minute = int(digits[0]), int(digits[1]) if len(digits) > 1 else 0
    half = re.search(r"[ap](?=\.?m)", text.lower())
    if half:
        hour = hour % 12 + (12 if half.group() == "p" else 0)
    return f"{hour}:{minute:02d}"


def _join_numbers(terms: list[Term], text: str) -> list[Term]:
    """Read "twenty-seven" as 27 and "1.5 million" as 1500000."""
    joined: list[Term] = []
    for term in terms:
        last = joined[-1] if joined else None
        if last and last.kind == "number" and not text[last.end : term.start].strip(" -"):
            value = _joined_value(last, term, text)
            if value:
                joined[-1] = Term(value, "number", last.start, term.end)
                continue
        joined.append(term)
    return joined


def _joined_value(first: Term, second: Term, text: str) -> str | None:
    if is_multiplier(second.key):
        return multiply(first.key, second.key)
    spelt = not any(letter.isdigit() for letter in text[first.start : second.end])
    if spelt and second.kind == "number" and first.key.isdigit() and second.key.isdigit():
        tens, ones = int(first.key), int(second.key)
        if tens in range(20, 100, 10) and 0 < ones < 10:
            return str(tens + ones)
    return None


def _name_may(terms: list[Term], text: str) -> list[Term]:
    """Read "may" beside a number in digits as the month; "one may" is the verb."""
    named = list(terms)
    for index, term in enumerate(terms):
        beside = [*terms[max(0, index - 1) : index], *terms[index + 1 : index + 2]]
        if term.key == "may" and any(
            other.kind == "number" and text[other.start].isdigit() for other in beside
        ):
            named[index] = Term("month-may", "word", term.start, term.end)
    return named


def stem(word: str) -> str:
    """Cut the commonest English endings, so that "requests" meets "requested".

    Args:
        word: one lower-case word.

    Returns:
        Its stem; not always a word.
    """
    if len(word) <= 3:
        return word
    word = _cut_plural(word)
    for ending in ("ing", "ed", "ly"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and re.search("[aeiouy]", rest):
            word = rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    return word.removesuffix("e") if len(word) > 3 else word


def _cut_plural(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
