"""Where the sentences of a checked answer end in its text, for programs that put a citation in its place."""

from __future__ import annotations

import json
import re

from tunesmith.rag.forms import parse_answer
from tunesmith.rag.marks import MARK, skip_marks
from tunesmith.records import Answer

_HOUSE_ANSWER = re.compile(r'"answer"\s*:\s*"?')


def sentence_ends(answer: Answer) -> tuple[int, ...]:
    """Find where each sentence of an answer ends, behind its source numbers and its full stop.

        27 days [1], and 5 more [2]. Ask HR.     {"answer": "27 days", "sources": [1]}
                   |                |       |                      |

    Args:
        answer: a checked answer, in either form.

    Returns:
        One offset a sentence, in characters of `answer.text`; they never fall.
    """
    text = answer.text
    is_house = parse_answer(text).form == "house"
    opening = _HOUSE_ANSWER.search(text) if is_house else None
    marks_trail = not is_house and not MARK.match(text.strip())
    spans = _spans(text, [sentence.text for sentence in answer.sentences], opening.end() if opening else 0)
    if not marks_trail:
        return tuple(end for _, end in spans)
    following = [start for start, _ in spans[1:]] + [len(text)]
    return tuple(skip_marks(text, end, limit) for (_, end), limit in zip(spans, following, strict=False))


def _spans(text: str, sentences: list[str], cursor: int) -> list[tuple[int, int]]:
    # A sentence is a stretch of the text as it stands; in the house form, of the JSON string that holds it.
    spans = []
    for sentence in sentences:
        written = (sentence, json.dumps(sentence, ensure_ascii=False)[1:-1], json.dumps(sentence)[1:-1])
        found = [(text.find(form, cursor), form) for form in written]
        start, form = next(((start, form) for start, form in found if start >= 0), (cursor, ""))
        cursor = start + len(form)
        spans.append((start, cursor))
    return spans
