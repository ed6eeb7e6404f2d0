from __future__ import annotations

import pytest

from tunesmith.rag.cite import check_answer
from tunesmith.rag.withhold import withhold_unsupported
from tunesmith.records import Answer, Chunk, Hit, Source

TEXT = "Full-time staff receive 27 days of leave each year."
SOURCES = (Source(1, Hit(Chunk("c", "leave.md", "Leave", 0, 0, len(TEXT), TEXT), 1.0, "handbook")),)


def _answer(text: str) -> Answer:
    checked = check_answer(text, SOURCES, question="How many days of leave do full-time staff get?")
    return withhold_unsupported(checked)


@pytest.mark.parametrize(
    "text",
    [
        "27 days [1]",
        '{"answer": "27 days", "sources": [1]}',
        "27 days [1]. Parking is free.",
        "The documents do not say.",
        '{"answer": null, "sources": []}',
        "",
        '{"days": 28}',
        "[28]",
    ],
)
def test_what_is_supported_abstains_or_has_a_form_of_its_own_stands(text: str) -> None:
    answer = _answer(text)
    assert (answer.text, answer.withheld) == (text, None)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("28 days [1]", "The documents do not say."),
        ("Parking is free. Lunch costs 4 euros.", "The documents do not say."),
        ('{"answer": "28 days", "sources": [1]}', '{"answer": null, "sources": []}'),
        ('{"answer": "28 days", "sour', '{"answer": null, "sources": []}'),
    ],
)
def test_what_no_source_supports_is_withheld_in_its_own_form(text: str, instead: str) -> None:
    answer = _answer(text)
    assert (answer.text, answer.withheld) == (instead, text)
    assert answer.abstained
    assert not answer.citations
    assert answer.sources == SOURCES
