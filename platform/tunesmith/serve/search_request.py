"""The requests of `/answer` that need no model: a search, and a document read back."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from tunesmith.serve.answer_request import StoreBinding


class SearchRequest(BaseModel):
    """Questions to look for in stores."""

    queries: list[str] = Field(min_length=1)
    """Each is searched for; a chunk that several find counts by its best place."""
    vector_stores: list[StoreBinding] = Field(min_length=1)
    """Where to look, as the gateway resolved it."""
    max_num_results: int = Field(10, ge=1, le=50)
    """Most hits."""
    filters: dict[str, Any] | None = None
    """What must hold of a document's attributes."""
    score_threshold: float = Field(0, ge=0, le=1)
    """Hits that score less are left out."""


class DocumentRequest(BaseModel):
    """A document to be read back."""

    vector_store: StoreBinding
    """Where it lies."""
    document: str
    """Its name in the store."""
