"""`tunesmith data build documents`: what is wrong with the command is told before the retrieval."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.config.data import BuildDocumentsConfig
from tunesmith.config.home import Home
from tunesmith.datasets.build import build_from_documents
from tunesmith.errors import ConfigError


@pytest.fixture
def config(tmp_path: Path) -> BuildDocumentsConfig:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"question": "Who?", "answer": null}\n', encoding="utf-8")
    return BuildDocumentsConfig(questions=str(questions))


@pytest.mark.parametrize(("out", "reason"), [("missing/x.jsonl", "there is no folder"), (".", "is a folder")])
def test_a_place_where_no_file_can_lie_is_told_first(
    config: BuildDocumentsConfig, tmp_path: Path, out: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        build_from_documents(config, tmp_path / out, home=Home(tmp_path / "home"))
    assert not (tmp_path / "home").exists(), "nothing was opened"


def test_no_questions_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Name a file with --questions"):
        build_from_documents(BuildDocumentsConfig(), tmp_path / "x.jsonl", home=Home(tmp_path / "home"))
