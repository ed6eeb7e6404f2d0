"""Knobs of `tunesmith evaluate`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tunesmith.config.serve import ContextBy, Unsupported
from tunesmith.config.strict import StrictModel

HOUSE_INSTRUCTIONS = (
    'Answer from the sources with strict JSON: {"answer": "...", "sources": [1]}. '
    'If the sources do not hold the answer: {"answer": null, "sources": []}.'
)
"""Instructions that state the house form: the same in training data, in every arm and in serving."""


class EvaluateConfig(StrictModel):
    """Four arms, the same questions, one decision."""

    verb: Literal["evaluate"] = "evaluate"
    name: str = Field("evaluation", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Name of the report."""
    questions: str
    """JSONL of samples: {"id", "question", "answer" | null, "accepted", "document", "evidence", "seen"}."""
    base: str = "tiny-reader"
    """Model of the arms `base` and `rag`."""
    tuned: str
    """Model of the arms `tuned` and `hybrid`: a version's name, an alias, or the name of a training run."""
    stores: tuple[str, ...] = Field(("documents",), min_length=1)
    """Vector stores of the arms with retrieval; at least one. The other arms are told to use none."""
    instructions: str = HOUSE_INSTRUCTIONS
    """The same for every arm; states the house form."""
    num_samples: int | None = Field(None, ge=1)
    """Questions asked, drawn by the seed; unset: all of them."""
    unsupported: Unsupported | None = None
    """What becomes of an answer that no source supports, in the arms with retrieval; unset: what the platform does."""
    context_needed: float | None = Field(None, ge=0, le=1)
    """How much of question and answer a short answer must have around it; unset: the platform's."""
    context_by: ContextBy | None = None
    """What says how much that is: the words that they share, or the meaning too; unset: the platform's."""
    schema_arm: bool = True
    """Also measure retrieval with JSON-schema decoding and no fine-tuning: the cheaper way to a form."""
    max_tokens: int = Field(128, ge=1)
    """Longest answer, in tokens."""
    concurrency: int = Field(8, ge=1)
    """Questions in flight."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """Level of every confidence interval, and of the test that tells two arms apart."""
    num_resamples: int = Field(2000, ge=100)
    """Bootstrap resamples, for the intervals of latency and tokens."""
    seed: int = 17
    """Seed of the draw and of the bootstrap."""
