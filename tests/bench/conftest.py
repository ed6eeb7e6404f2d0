"""Where the benchmarks find data that this repository does not hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def rag_squad() -> Path:
    """SQuAD's 495 paragraphs with their questions, in the BEIR layout; where RAG_SQUAD says, if it is set."""
    folder = Path(os.environ.get("RAG_SQUAD", Path(__file__).parents[3] / "shared/data/rag-squad/dev"))
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist; set RAG_SQUAD to a folder with rag-squad in the BEIR layout")
    return folder
