"""The forms an answer may have: prose with `[n]` marks, or the house form, strict JSON.

Full-time staff get 27 days [2].
{"answer": "27 days", "sources": [2]}
{"answer": null, "sources": []}
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tunesmith.rag.abstain import is_abstention
from tunesmith.rag.marks import read_numbers, read_sentences, remove_attribution
from tunesmith.rag.sentences import split_sentences

HOUSE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "answer": {"anyOf": [{"type": "string", "maxLength": 200}, {"type": "null"}]},
        "sources": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 50},
            "maxItems": 8,
        },
    },
    "required": ["answer", "sources"],
    "additionalProperties": False,
}
"""JSON schema of the house form, for engines that decode by schema."""

_HOUSE_KEYS = {"answer", "sources"}
_OBJECT = re.compile(r"\{.*\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """An answer's text, read.

    Attributes:
        form: `house` if the text is, or tries to be, a JSON object; else `prose`.
        answer: the answer without marks and what leads to them ("according to"); None if it abstains or no answer
            can be read.
        numbers: source numbers in the order named, each once.
        abstained: whether it says that the documents do not hold the answer.
        valid: whether the text is the house form exactly: these keys, these types, nothing around it.
    """

    form: Literal["house", "prose"]
    answer: str | None
    numbers: tuple[int, ...]
    abstained: bool
    valid: bool


def parse_answer(text: str) -> ParsedAnswer:
    """Read an answer in whichever form it came.

    A house form with something wrong about it (a code fence, a further key) is read as far as it goes, so
    that a right answer in a wrong form counts as right; `valid` tells the form's own story.

    Args:
        text: the engine's decoded tokens.

    Returns:
        The answer's parts.
    """
    strict = _load_strict(text)
    if strict is not None:
        return _read_house(strict, valid=_is_house(strict))
    loose = _OBJECT.search(text)
    found = _load_strict(loose.group()) if loose else None
    if found is not None and "answer" in found:
        return _read_house(found, valid=False)
    return (
        ParsedAnswer("house", None, (), False, False) if text.lstrip().startswith("{") else _read_prose(text)
    )


def say_house(answer: str | None, numbers: tuple[int, ...]) -> str:
    """Write the house form.

    Args:
        answer: the answer; None abstains.
        numbers: the sources it comes from.

    Returns:
        One line of JSON.
    """
    return json.dumps({"answer": answer, "sources": list(numbers)}, ensure_ascii=False)


def _load_strict(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, object_pairs_hook=_refuse_repeats, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _is_house(value: dict[str, Any]) -> bool:
    answer, sources = value.get("answer"), value.get("sources")
    return (
        set(value) == _HOUSE_KEYS
        and (answer is None or isinstance(answer, str))
        and isinstance(sources, list)
        and all(type(number) is int for number in sources)
    )


def _read_house(value: dict[str, Any], *, valid: bool) -> ParsedAnswer:
    answer, sources = value.get("answer"), value.get("sources")
    numbers = [number for number in sources if type(number) is int] if isinstance(sources, list) else []
    said = str(answer) if isinstance(answer, str | int | float) else None
    abstained = ("answer" in value and answer is None) or _is_refusal(said or "", names_source=bool(numbers))
    return ParsedAnswer("house", None if abstained else said, tuple(dict.fromkeys(numbers)), abstained, valid)


def _is_refusal(said: str, *, names_source: bool) -> bool:
    sentences = [span.text for span in split_sentences(said)]
    refusals = [is_abstention(sentence, names_source=names_source) for sentence in sentences]
    return _abstains(refusals, names_source=names_source)


def _read_prose(text: str) -> ParsedAnswer:
    numbers = read_numbers(text)
    refusals = [is_abstention(s.text, names_source=s.names_source) for s in read_sentences(text)]
    abstained = _abstains(refusals, names_source=bool(numbers))
    answer = remove_attribution(text) or None
    return ParsedAnswer("prose", None if abstained else answer, numbers, abstained, False)


def _abstains(refusals: Sequence[bool], *, names_source: bool) -> bool:
    # "The documents do not say. Ask the office." abstains; "... how. They do say when: at 9:30 [2]." answers.
    return bool(refusals) and (all(refusals) or (refusals[0] and not names_source))
