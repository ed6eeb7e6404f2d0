"""Source numbers in prose: which sentence names which source, and which part of it.

27 days [1], and 5 more [2]. Ask HR. [3]    behind what they prove
[1] Staff get 27 days. [2] Ask HR.          before it, as in the prompt
According to [1], staff get 27 days.        inside: the sentence cannot do without its mark
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tunesmith.rag.sentences import split_sentences
from tunesmith.rag.terms import STOP_WORDS

_NUMBERS = r"\d{1,4}(?:\s*[,;]\s*\d{1,4})*"
_MARK_TEXT = rf"\[{_NUMBERS}\]"
# "[1] and [2]" is one run only where the sentence stops behind it; in "27 days [1], and [2] adds ..." it is two.
_RUN_TEXT = (
    rf"{_MARK_TEXT}(?:\s*[,;]?\s*{_MARK_TEXT}|\s*,?\s*(?:and|or|&)\s+{_MARK_TEXT}(?=\s*(?:[.,;:!?)]|$)))*"
)
_NOUN = r"(?:sources?|documents?|references?|passages?|excerpts?|citations?)"
_PARTICIPLE = (
    r"(?:stated|said|described|mentioned|shown|noted|explained|listed|given|specified|written|found)"
)
_ACCORDING = rf"(?:according to|based on|as per|per|see also|see|(?:as )?{_PARTICIPLE} (?:in|by|under))"
_LEAD = rf"(?:\b(?:{_ACCORDING}|in|by|from|under)(?: the)?(?: {_NOUN})?|\b(?:the )?{_NOUN})"
_SAYS = (
    r"(?:says?|states?|mentions?|notes?|adds?|explains?|specif(?:y|ies)|describes?|reports?|confirms?|shows?|"
    r"indicates?|gives?|lists?|tells?)\b(?: that\b)?"
)

MARK = re.compile(_MARK_TEXT)
"""A source number, or several, in prose."""

_RUN = re.compile(_RUN_TEXT)
_ANY_RUN = re.compile(rf"{_MARK_TEXT}(?:\s*[,;]?\s*(?:and|or|&)?\s*{_MARK_TEXT})*")
_PUNCTUATION = re.compile(r"[\s.,;:!?)]*")
_CLOSING = re.compile(r"[.!?。！？)\]\"']*")
_ENDS_IN_LEAD = re.compile(rf"{_LEAD}[\s:(]*$", re.IGNORECASE)
_LEADING_WORD = re.compile(rf"{_NOUN}|{_PARTICIPLE}|according|based|per|see|however", re.IGNORECASE)
_JOINING_WORDS = frozenset(["and", "or", "also", "as", "in", "by", "from", "under", "the", "to", "on"])
_GOES_ON = re.compile(r"\s*[,:]?\s*\w")
_SAYS_BEHIND = re.compile(rf"\s+{_SAYS}", re.IGNORECASE)
_NEXT_PART = re.compile(r"\s*,?\s*(?:and|or|but|while|whereas)\b", re.IGNORECASE)
_HANGING = re.compile(
    rf"(?:,?\s*\b{_ACCORDING}(?: the)?(?: {_NOUN})?|\s*\((?:{_LEAD}\s*:?)?)\s*$", re.IGNORECASE
)
_ATTRIBUTION = re.compile(
    rf"(?:{_LEAD}[\s:(]*{_RUN_TEXT}[,:)]?|{_RUN_TEXT})(?:\s+{_SAYS})?"
    rf"|^according to (?:the )?(?:\w+ )?(?:{_NOUN}|context),",
    re.IGNORECASE,
)

_LOOK_AROUND = 200
"""Letters on each side of a mark that tell how it stands; over all of them, each mark would cost as much as all."""


@dataclass(frozen=True, slots=True)
class NamedClaim:
    """A sentence, or the part of one up to its marks, with the source numbers behind it.

    A mark that is part of the sentence stays in the text.
    """

    text: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MarkedSentence:
    """A sentence of prose.

    Attributes:
        text: without any mark.
        claims: the whole sentence, or the parts of it that have marks of their own.
    """

    text: str
    claims: tuple[NamedClaim, ...]

    @property
    def names_source(self) -> bool:
        """Whether any part of it does."""
        return any(claim.numbers for claim in self.claims)


def read_sentences(text: str) -> list[MarkedSentence]:
    """Take prose apart, each sentence with its marks.

    Args:
        text: prose with `[n]` marks.

    Returns:
        Its sentences in order; a piece without a letter or a digit is none.
    """
    if MARK.match(text.strip()):
        sentences = list(_read_leading(text))
    else:
        sentences = [_read_trailing(sentence) for sentence in _attach_marks(text)]
    return [sentence for sentence in sentences if sentence.claims]


def read_numbers(text: str) -> tuple[int, ...]:
    """Source numbers in a piece of prose.

    Args:
        text: prose with `[n]` marks.

    Returns:
        The numbers in the order written, each once.
    """
    marks = " ".join(MARK.findall(text))
    return tuple(dict.fromkeys(int(number) for number in re.findall(r"\d+", marks)))


def remove_attribution(text: str) -> str:
    """Leave what a text says, without its marks and without who says it.

    Args:
        text: `According to [1], staff get 27 days`.

    Returns:
        `staff get 27 days`
    """
    return " ".join(_ATTRIBUTION.sub(" ", text).split()).lstrip(" ,:;")


def skip_marks(text: str, start: int, end: int) -> int:
    """Go past the marks behind a claim, with what leads to them and the full stop behind them.

    Args:
        text: prose with `[n]` marks.
        start: where the claim ends.
        end: where the next one begins.

    Returns:
        Where `27 days` ends in `27 days (see [1]). Ask HR.`: before the space; `start` if no mark stands there.
    """
    reached = start
    while run := _RUN.search(text, reached, min(end, reached + _LOOK_AROUND)):
        if not _is_mere_lead(text[reached : run.start()]):
            break
        reached = run.end()
    closing = _CLOSING.match(text, reached, end) if reached > start else None
    return closing.end() if closing else reached


def _attach_marks(text: str) -> list[str]:
    """Cut prose into sentences: `27 days. [1] Ask HR.` -> `27 days. [1]`, `Ask HR.`"""
    sentences: list[str] = []
    for span in split_sentences(text):
        run = _RUN.match(span.text)
        if sentences and _is_mere_source(span.text):
            sentences[-1] += f" {''.join(MARK.findall(span.text))}"
        elif sentences and run and not _SAYS_BEHIND.match(span.text, run.end()):
            sentences[-1] += f" {run.group()}"
            sentences.append(span.text[_behind(span.text, run) :])
        else:
            sentences.append(span.text)
    return sentences


def _is_mere_source(sentence: str) -> bool:
    """`[1]`, `Source: [1].` or `See also [2].`"""
    return bool(MARK.search(sentence)) and _is_mere_lead(MARK.sub("", sentence))


def _is_mere_lead(text: str) -> bool:
    words = re.findall(r"\w+", text.lower())
    return all(word in _JOINING_WORDS or _LEADING_WORD.fullmatch(word) for word in words)


def _read_trailing(sentence: str) -> MarkedSentence:
    claims, start = list[NamedClaim](), 0
    for run in _cutting_runs(sentence, 0):
        piece = sentence[start : run.start()]
        if claims and _is_mere_lead(piece):
            claims[-1] = NamedClaim(claims[-1].text, (*claims[-1].numbers, *read_numbers(run.group())))
        else:
            claims += _claim(_HANGING.sub("", piece), read_numbers(sentence[start : run.end()]))
        start = _behind(sentence, run)
    claims += _claim(sentence[start:], read_numbers(sentence[start:]))
    return MarkedSentence(_unmark(sentence), tuple(claims))


def _read_leading(text: str) -> Iterator[MarkedSentence]:
    # A sentence without a mark goes on with the source of the one before.
    numbers: tuple[int, ...] = ()
    for span in split_sentences(text):
        sentence, claims, start = span.text, list[NamedClaim](), 0
        lead = _RUN.match(sentence)
        cutting = _cutting_runs(sentence, lead.end() if lead else 0)
        for run in (lead, *cutting) if lead else cutting:
            claims += _claim(sentence[start : run.start()], numbers)
            numbers, start = read_numbers(run.group()), _behind(sentence, run)
        inside = read_numbers(sentence[start:])
        claims += _claim(sentence[start:], (*numbers, *inside) if start else inside or numbers)
        yield MarkedSentence(_unmark(sentence), tuple(claims))


def _cutting_runs(sentence: str, start: int) -> Iterator[re.Match[str]]:
    """The marks that stand behind what they prove, or before it; not those inside."""
    for run in _RUN.finditer(sentence, start):
        before = sentence[max(start, run.start() - _LOOK_AROUND) : run.start()]
        if not _is_inside(_unmark(before), sentence[run.end() : run.end() + _LOOK_AROUND]):
            yield run
            start = run.end()


def _is_inside(before: str, behind: str) -> bool:
    """Whether a sentence needs its mark: `According to [1], ...`, `Source [2] says ...`, `But [3] allows ...`"""
    if not _GOES_ON.match(behind):
        return False
    if _SAYS_BEHIND.match(behind):
        return True
    is_next_part, has_words = bool(_NEXT_PART.match(behind)), _has_own_words(before)
    if _ENDS_IN_LEAD.search(before):
        return not (is_next_part and has_words)
    return not (is_next_part or has_words or behind.lstrip().startswith(","))


def _has_own_words(text: str) -> bool:
    words = re.findall(r"\w+", text.lower())
    return any(word not in STOP_WORDS and not _LEADING_WORD.fullmatch(word) for word in words)


def _claim(text: str, numbers: tuple[int, ...]) -> list[NamedClaim]:
    stripped = text.strip()
    return [NamedClaim(stripped, tuple(dict.fromkeys(numbers)))] if any(map(str.isalnum, stripped)) else []


def _behind(sentence: str, run: re.Match[str]) -> int:
    """Where the text goes on behind marks and their punctuation."""
    match = _PUNCTUATION.match(sentence, run.end())
    return match.end() if match else run.end()


def _unmark(text: str) -> str:
    return " ".join(_ANY_RUN.sub("", text).split())
