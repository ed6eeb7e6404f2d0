"""The sample corpus must not be what the reader was trained on: no frame of the generator fits it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from tunesmith.assets import handbook_folder
from tunesmith.datasets.reading.relations import load_relations

QUESTIONS = handbook_folder("questions")


def _rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (QUESTIONS / name).read_text(encoding="utf-8").splitlines()]


def _fits(frame: str) -> re.Pattern[str]:
    pattern = re.escape(frame).replace(r"\{s\}", "(?P<s>.+)").replace(r"\{v\}", "(?P<v>.+)")
    return re.compile(rf"^{pattern}$", re.IGNORECASE)


def _shared(texts: Iterable[str], frames: Iterable[str]) -> list[tuple[str, str]]:
    # A frame of slots and little words alone ("{s} has {v}.") is English, not a template.
    wordy = [frame for frame in frames if len(re.findall(r"[a-z]{3,}", frame)) >= 2]
    patterns = [(frame, _fits(frame)) for frame in wordy]
    return [(text, frame) for text in texts for frame, pattern in patterns if pattern.match(text)]


def _written() -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(r.statements, r.questions) for r in load_relations() if not r.name.startswith("attribute:")]


def test_no_sentence_of_the_handbook_fits_a_statement() -> None:
    sentences = {
        row["evidence"]
        for name in ("train.jsonl", "evaluation.jsonl")
        for row in _rows(name)
        if row["evidence"]
    }
    assert len(sentences) > 300
    assert not _shared(sentences, {frame for statements, _ in _written() for frame in statements})


def test_no_question_on_the_handbook_fits_a_question() -> None:
    questions = {row["question"] for name in ("train.jsonl", "evaluation.jsonl") for row in _rows(name)}
    assert len(questions) > 800
    assert not _shared(questions, {frame for _, asked in _written() for frame in asked})


def test_the_check_can_fail() -> None:
    statements, _ = _written()[0]
    assert _shared([statements[0].format(s="Velmora", v="1912")], statements)
