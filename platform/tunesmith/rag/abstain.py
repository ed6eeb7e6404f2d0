"""Tell an answer that says "the documents do not say" from one that answers."""

from __future__ import annotations

import re

from tunesmith.rag.prompt import ABSTENTION

_HOLDERS = r"(?:documents?|sources?|context|text|excerpts?|passages?|information)(?: provided)?"
_GIVEN = r"(?:(?:none of |any of )?(?:the|these|those) )?(?:given |provided )?"
_NOT = r"(?:do not|does not|did not|don't|doesn't|didn't|cannot|can not|can't)"
_HOLD = r"(?:say|state|mention|contain|hold|specify|provide|include|answer|tell|give|explain|cover)"
_HELD = r"(?:said|stated|mentioned|contained|specified|provided|given|covered|answered)"
_SORRY = r"(?:i'm |i am )?(?:sorry,? (?:but )?)?"

_WAYS = (
    rf"{_SORRY}{_GIVEN}{_HOLDERS} {_NOT} {_HOLD}\b",
    rf"{_SORRY}{_GIVEN}{_HOLDERS} (?:say|contain|mention|hold|provide)s? no",
    rf"(?:this|that|it|the answer|the information) is (?:not|nowhere) (?:{_HELD}|in the {_HOLDERS})\b",
    rf"not (?:{_HELD}|answerable|in the {_HOLDERS})\b",
    r"(?:there is |there's )?(?:no|not enough|insufficient) (?:information|mention|answer|evidence)\b",
    rf"{_SORRY}i (?:do not|don't|cannot|can't|could not|couldn't) (?:know|say|tell|answer|find|determine)\b",
    r"(?:unknown|unanswerable|n/a)\W*$",
)
_ABSTENTION = re.compile("|".join(_WAYS))


def is_abstention(sentence: str) -> bool:
    """Whether a sentence says that the documents do not hold the answer.

    Args:
        sentence: one sentence of prose, without source numbers.

    Returns:
        True for the project's own sentence and the usual ways to say so in English.
    """
    plain = " ".join(sentence.replace("’", "'").casefold().split()).strip("\"' ")
    return plain.startswith(ABSTENTION.casefold().rstrip(".")) or bool(_ABSTENTION.match(plain))
