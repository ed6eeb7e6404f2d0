"""Tell an answer that says "the documents do not say" from one that answers."""

from __future__ import annotations

import re

from tunesmith.rag.prompt import ABSTENTION

_HOLDERS = r"(?:documents?|sources?|context|texts?|excerpts?|passages?|information|materials?)"
_DOCUMENTS = (
    r"(?:any of |all of )?(?:(?:the|these|those|this|that|your) )?(?:(?:given|provided|available|above) )?"
    rf"{_HOLDERS}(?: (?:provided|given|available|above))?"
)
_BY_THEM = rf"(?:based (?:only |solely )?on|according to|from|in|given) {_DOCUMENTS},?"
_OPENING = rf"(?:(?:i am )?sorry,? (?:but )?|unfortunately,? |however,? |{_BY_THEM} )*"
_CLEARLY = r"(?:(?:explicitly|directly|specifically|clearly|actually|otherwise) )?"
_NOT = r"(?:do not|does not|did not|cannot|can not)"
_NO = r"(?:no|not enough|insufficient)"

_SAY = r"(?:say|state|mention|specif(?:y|ie)|indicate|tell|explain|describe|discuss|address|answer)"
_SAID = r"(?:said|stated|mentioned|specified)"
# What holds things other than words, too: insurance covers, prices include. These need an object.
_HOLD = r"(?:contain|hold|provide|include|give|cover|have|ha)"
_HELD = r"(?:contained|provided|included|given|covered|answered|found|explained|described)"

_KNOWLEDGE = (
    r"(?:(?:any|enough|sufficient|the|this|that|such|an?|further|specific|relevant|direct|clear|required|"
    r"requested|necessary) )*(?:information|answers?|details?|mention|evidence)"
)
_VERB = r"(?:is|are|was|were|has|have|had|get|gets|may|must|can|could|should|shall|will|would|do|does|did|be)"
_JOINT = r"(?:and|but|if|what|whatever|anything|which|who|that|only|because|while|although)"
_WORD = rf"(?!(?:{_VERB}|{_JOINT})\b)[\w'-]+"
_SUBJECT = rf"(?:(?:this|that|it|{_WORD}(?: {_WORD}){{0,7}}) (?:is|are|was|were) )?"
_IS_GIVEN = r"(?:(?: (?:is|was))? (?:given|available|provided|found))?"
_ABOUT = r"(?:about|on|of|regarding|concerning|as to|to|that|whether|how|available|given|provided|here)"

_ABOUT_THE_DOCUMENTS = (
    rf"{_DOCUMENTS} {_NOT} {_CLEARLY}(?:{_SAY}|{_HOLD} {_KNOWLEDGE})\b",
    rf"{_DOCUMENTS} (?:{_SAY}|{_HOLD})s? (?:nothing|{_NO} {_KNOWLEDGE})\b",
    rf"(?:none of|neither of|neither|no|nothing in|nowhere in) {_DOCUMENTS} {_CLEARLY}"
    rf"(?:{_SAY}s?|{_HOLD}s? {_KNOWLEDGE})\b",
    rf"nowhere in {_DOCUMENTS}\b",
    rf"{_SUBJECT}(?:not|nowhere) {_CLEARLY}{_SAID} (?:anywhere )?(?:in|by) {_DOCUMENTS}\b",
    rf"(?:(?:there is|i (?:have|found|find|see)) )?{_NO} {_KNOWLEDGE}\b[^.,;:]*? (?:in|from) {_DOCUMENTS}\W*$",
    rf"(?:(?:this|that|it|the answer|the information) (?:is|was) |is )?not in {_DOCUMENTS}\W*$",
    rf"(?:this|that|it|the answer|(?:the|your) question) cannot be (?:answered|determined|found|derived) "
    rf"(?:from|in|by|with|based on) {_DOCUMENTS}\b",
    rf"{_BY_THEM} there is {_NO} {_KNOWLEDGE}\b",
)
"""Says, by its very words, that the documents are silent: nothing else can be meant."""

_LESS_PLAIN = (
    rf"{_DOCUMENTS} {_NOT} {_CLEARLY}{_HOLD}\b(?! to\b)",
    rf"(?:none of|neither of|neither) {_DOCUMENTS} {_CLEARLY}{_HOLD}s?\b",
    rf"{_DOCUMENTS} (?:mention|{_HOLD})s? no\b(?! more| less| fewer| later| longer)",
    rf"{_SUBJECT}(?:not|nowhere) {_CLEARLY}{_HELD} (?:anywhere )?(?:in|by) {_DOCUMENTS}\b",
    rf"{_SUBJECT}(?:not|nowhere) {_CLEARLY}{_SAID}\W*$",
    rf"{_SUBJECT}not answerable\b",
    r"(?:this|that|it|(?:the|your) question) cannot be (?:answered|determined|found)\W*$",
    rf"(?:there is|i (?:have|found|find|see)) {_NO} {_KNOWLEDGE}(?:\W*$| {_ABOUT}\b)",
    rf"{_NO} {_KNOWLEDGE}{_IS_GIVEN}\W*$",
    rf"{_NO} {_KNOWLEDGE} {_ABOUT}(?: {_WORD}){{1,8}}{_IS_GIVEN}\W*$",
    rf"not enough {_KNOWLEDGE} to\b",
    r"no mention (?:of|is made)\b",
    r"i (?:do not|cannot|can not|could not|(?:am|was) (?:unable|not able) to) "
    r"(?:know|say|tell|answer|find|determine)\b",
    r"(?:unknown|unanswerable|n/a)\W*$",
)
"""Usually means the same, but may also be said of a rule, a price or a person."""

_PLAIN = re.compile(rf"{_OPENING}(?:{'|'.join(_ABOUT_THE_DOCUMENTS)})")
_ANY = re.compile(rf"{_OPENING}(?:{'|'.join((*_ABOUT_THE_DOCUMENTS, *_LESS_PLAIN))})")
_CONTRACTIONS = (
    ("’", "'"),
    ("can't", "cannot"),
    ("n't", " not"),
    ("it's", "it is"),
    ("that's", "that is"),
    ("there's", "there is"),
    ("i'm", "i am"),
)
_BUT = re.compile(r"\b(?:but|however|although|though|except|only)\b")


def is_abstention(sentence: str, *, names_source: bool = False) -> bool:
    """Whether a sentence says that the documents do not hold the answer.

    Args:
        sentence: one sentence of prose, without source numbers.
        names_source: whether it names a source. What names its source is an answer, unless it can only be
            about the documents: "It is not covered [2]" tells what source 2 says.

    Returns:
        True for the project's own sentence and the usual ways to say so in English.
    """
    plain = _normalise(sentence)
    if not names_source:
        return plain.startswith(_normalise(ABSTENTION)) or bool(_ANY.match(plain))
    match = _PLAIN.match(plain)
    return match is not None and not _BUT.search(plain, match.end())


def _normalise(sentence: str) -> str:
    plain = " ".join(sentence.casefold().split()).strip("\"'*_. ")
    for short, long in _CONTRACTIONS:
        plain = plain.replace(short, long)
    return plain
