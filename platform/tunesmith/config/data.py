"""Knobs of `tunesmith data build`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tunesmith.config.evaluate import HOUSE_INSTRUCTIONS
from tunesmith.config.serve import RetrievalConfig
from tunesmith.config.strict import StrictModel


class BuildDocumentsConfig(StrictModel):
    """A training set from a corpus: questions with retrieved sources, and answers in the house form."""

    verb: Literal["data"] = "data"
    questions: str = ""
    """JSONL: {"question", "answer" | null, "evidence"} a line; `evidence` is the sentence that holds the answer."""
    store: str = "documents"
    """Vector store that the sources come from."""
    instructions: str = HOUSE_INSTRUCTIONS
    """System turn of every row; the one that is used in serving."""
    retrieval: RetrievalConfig = RetrievalConfig()
    """As in serving: `top_k` sources stand in a prompt."""
    num_hits: int = Field(10, ge=2, le=50)
    """Hits from which the sources of a prompt are drawn; those beyond `top_k` give other distractors."""
    copies: int = Field(2, ge=1)
    """Rows of each question with sources, each with other distractors; they stand in the order of the search."""
    fewer_sources: float = Field(0.3, ge=0, le=1)
    """Share of rows with fewer sources than `top_k`."""
    left_out: float = Field(0.15, ge=0, le=1)
    """Share of rows of answerable questions whose right source is left out; they are refused."""
    closed_book: float = Field(0.5, ge=0, le=1)
    """Share of questions that also get a row without sources; it is refused, as the instructions say."""
    closed_book_answers: bool = False
    """Answer the rows without sources from what the question's writer knows: it teaches these facts, and to guess."""
    seed: int = 17
    """Seed of every draw."""
    milvus_uri: str | None = None
    """A Milvus server. Unset: the running platform's, else the home's own."""
