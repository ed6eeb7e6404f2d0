"""Where a citation stands in the answer's text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.rag.cite import check_answer
from tunesmith.rag.place import sentence_ends
from tunesmith.records import Chunk, Hit, Source

TEXTS = (
    "Full-time staff receive 27 days of leave. Unused days expire in March.",
    "Five more days are for carers.",
)
SOURCES = tuple(
    Source(number, Hit(Chunk(str(number), f"{number}.md", "T", 0, 0, len(text), text), 0.5, "docs"))
    for number, text in enumerate(TEXTS, 1)
)


def _cut(text: str) -> list[str]:
    """The answer, cut where its sentences end."""
    ends = sentence_ends(check_answer(text, SOURCES, question="How much leave?"))
    return [text[start:end].strip() for start, end in zip((0, *ends), ends, strict=False)]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("27 days", ["27 days"]),
        ("27 days [1]", ["27 days [1]"]),
        ("27 days [1]. Ask HR.", ["27 days [1].", "Ask HR."]),
        ("27 days. [1] Ask HR.", ["27 days. [1]", "Ask HR."]),
        ("27 days (see [1]). Ask HR.", ["27 days (see [1]).", "Ask HR."]),
        ("27 days [1], and 5 more [2][1]. Ask HR.", ["27 days [1]", ", and 5 more [2][1].", "Ask HR."]),
        ("27 days, according to [1]. Ask HR.", ["27 days, according to [1].", "Ask HR."]),
        ("Ask HR. According to [1], 27 days.", ["Ask HR.", "According to [1], 27 days."]),
        ("27 days. 27 days.", ["27 days.", "27 days."]),
        ("[1] 27 days. [2] 5 more.", ["[1] 27 days.", "[2] 5 more."]),
        ("27 days [1].\nSource: [1].", ["27 days [1].\nSource: [1]."]),
        ('{"answer": "27 days. Ask HR.", "sources": [1]}', ['{"answer": "27 days.', "Ask HR."]),
        ('{"answer": "the \\"answer\\" is 27", "sources": [1]}', ['{"answer": "the \\"answer\\" is 27']),
        ('{"answer": "27 d\\u00e9", "sources": []}', ['{"answer": "27 d\\u00e9']),
        ('{"answer": 27, "sources": [1]}', ['{"answer": 27']),
        ("The documents do not say.", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_sentence_ends_behind_its_marks(text: str, pieces: list[str]) -> None:
    assert _cut(text) == pieces


@given(
    st.lists(
        st.sampled_from(
            [
                "27 days",
                "[1]",
                "[2]",
                ".",
                ",",
                " ",
                " and ",
                "Ask HR",
                "See",
                "\n",
                "(",
                ")",
                "5",
                '"',
                "[1][2]",
                "{",
            ]
        ),
        max_size=12,
    )
)
def test_offsets_lie_in_the_text_and_never_fall(parts: list[str]) -> None:
    text = "".join(parts)
    for said in (text, json.dumps({"answer": text, "sources": [1]})):
        answer = check_answer(said, SOURCES, question="How much leave?")
        ends = sentence_ends(answer)
        assert len(ends) == len(answer.sentences)
        assert list(ends) == sorted(ends)
        assert all(0 < end <= len(said) for end in ends)
