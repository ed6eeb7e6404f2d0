"""Pairs of answers from conversations in the house form: the right answer, and one with a single thing wrong.

    {"answer": "27 days", "sources": [2]}   wrong source   {"answer": "27 days", "sources": [1]}
                                            given up       {"answer": null, "sources": []}
                                            prose          27 days [2].
    {"answer": null, "sources": []}         made up        {"answer": "12 days", "sources": [1]}
                                            prose          The documents do not say.

What is wrong is what goes wrong in serving. An answer that is made up is another row's right one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.datasets.chat import load_chat
from tunesmith.datasets.preferences import write_preferences
from tunesmith.errors import DataError
from tunesmith.rag.forms import ParsedAnswer, parse_answer, say_house
from tunesmith.rag.marks import read_numbers
from tunesmith.rag.prompt import ABSTENTION
from tunesmith.records import Message


@dataclass(frozen=True, slots=True)
class ContrastSet:
    """What was written: how many pairs, and of what is wrong how often; `left_out` counts other conversations."""

    num_pairs: int
    counts: Mapping[str, int]


def build_contrast(conversations: str | Path, out: Path, *, seed: int = 17) -> ContrastSet:
    """Write a preference file; equal input makes equal pairs.

    Args:
        conversations: chat JSONL whose last turns are in the house form, as `data build documents` writes it.
        out: the preference JSONL to write.
        seed: of every draw.

    Returns:
        What was written.

    Raises:
        DataError: the file has bad lines, or none in the house form.
        StorageError: the file cannot be written.
    """
    rng, counts = random.Random(seed), Counter[str]()
    rows = [
        (example.messages, parse_answer(example.messages[-1].content)) for example in load_chat(conversations)
    ]
    answers = sorted({parsed.answer for _, parsed in rows if parsed.valid and parsed.answer})
    pairs = []
    for messages, right in rows:
        wrong = _wrong_answers(messages, right, answers, rng)
        if not wrong:
            counts["left_out"] += 1
            continue
        kind = rng.choice(sorted(wrong))
        counts[kind] += 1
        pairs.append((messages[:-1], messages[-1].content, wrong[kind]))
    if not pairs:
        raise DataError(
            f"{conversations}: none of {len(rows)} conversations ends in the house form, so nothing can be made wrong. "
            "Use a file of `tunesmith data build documents`."
        )
    write_preferences(out, pairs)
    return ContrastSet(len(pairs), dict(counts))


def _wrong_answers(
    messages: Sequence[Message], right: ParsedAnswer, answers: Sequence[str], rng: random.Random
) -> dict[str, str]:
    """Kind -> an answer that has this wrong; none where the right one is not in the house form."""
    if not right.valid or messages[-1].role != "assistant" or len(messages) < 2:
        return {}
    shown = read_numbers(messages[-2].content)
    if right.answer is None:
        others = [answer for answer in answers if answer not in messages[-2].content]
        made_up = say_house(rng.choice(others), tuple(shown[:1])) if others else None
        return {"prose": ABSTENTION} | ({"made_up": made_up} if made_up else {})
    marks = "".join(f" [{number}]" for number in right.numbers)
    wrong = {"given_up": say_house(None, ()), "prose": f"{right.answer}{marks}."}
    elsewhere = [number for number in shown if number not in right.numbers]
    if right.numbers and elsewhere:
        wrong["wrong_source"] = say_house(right.answer, (rng.choice(elsewhere),))
    return wrong
