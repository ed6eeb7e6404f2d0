"""Say "the documents do not say" in the place of an answer that none of its sources supports."""

from __future__ import annotations

import json
from dataclasses import replace

from tunesmith.rag.forms import parse_answer, say_house
from tunesmith.rag.prompt import ABSTENTION
from tunesmith.records import Answer


def withhold_unsupported(answer: Answer) -> Answer:
    """Withhold an answer, unless it abstains, or some sentence of it is supported.

    Args:
        answer: a checked answer.

    Returns:
        The abstention in the form that the answer had, with the answer's own text as `withheld`; or the answer as it
        is, also where it is JSON of another form, in which there is no word for abstaining.
    """
    if answer.abstained or not answer.text.strip() or any(one.supported for one in answer.sentences):
        return answer
    if _is_other_json(answer.text):
        return answer
    is_house = parse_answer(answer.text).form == "house"
    text = say_house(None, ()) if is_house else ABSTENTION
    return replace(answer, text=text, abstained=True, sentences=(), withheld=answer.text)


def _is_other_json(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return not isinstance(value, dict) or "answer" not in value
