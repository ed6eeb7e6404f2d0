"""An answer taken apart into claims, each with the sources it names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tunesmith.rag.abstain import is_abstention
from tunesmith.rag.forms import MARK, ParsedAnswer, named_numbers
from tunesmith.rag.sentences import split_sentences

_MARKS = re.compile(rf"(?:\s*{MARK.pattern})+[\s.,;:!?]*")


@dataclass(frozen=True, slots=True)
class NamedClaim:
    """A sentence, or the part of one up to its marks, with the source numbers behind it."""

    text: str
    numbers: tuple[int, ...]


def split_claims(text: str, parsed: ParsedAnswer) -> list[NamedClaim]:
    """Take an answer apart.

    Args:
        text: the answer as generated.
        parsed: the same, read.

    Returns:
        Its claims in order; none for an abstention.
    """
    if parsed.abstained or parsed.answer is None:
        return []
    if parsed.form == "house":
        return [NamedClaim(span.text, parsed.numbers) for span in split_sentences(parsed.answer)]
    claims = _split_leading(text) if MARK.match(text.strip()) else _split_trailing(text)
    return [claim for claim in claims if not is_abstention(claim.text)]


def _split_trailing(text: str) -> list[NamedClaim]:
    """Marks behind what they prove: `27 days [1] and 5 more [2]. Ask HR.`"""
    claims, start = [], 0
    for match in _MARKS.finditer(text):
        *plain, last = [span.text for span in split_sentences(text[start : match.start()])] or [""]
        claims += [NamedClaim(sentence, ()) for sentence in plain]
        if last:
            claims.append(NamedClaim(last, _numbers(match.group())))
        start = match.end()
    return claims + [NamedClaim(span.text, ()) for span in split_sentences(text[start:])]


def _split_leading(text: str) -> list[NamedClaim]:
    """Marks before what they prove, as in the prompt: `[1] 27 days. [2] 5 more.`"""
    marks = list(_MARKS.finditer(text))
    ends = [match.start() for match in marks[1:]] + [len(text)]
    return [
        NamedClaim(span.text, _numbers(match.group()))
        for match, end in zip(marks, ends, strict=True)
        for span in split_sentences(text[match.end() : end])
    ]


def _numbers(marks: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(named_numbers(marks)))
