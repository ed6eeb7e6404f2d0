"""Retrieval asked for in a chat request: by `vector_stores`, by a `file_search` tool, or by the alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from tunesmith.config.serve import ContextBy, Unsupported
from tunesmith.config.strict import StrictModel
from tunesmith.errors import ConfigError
from tunesmith.stores.attribute_filter import parse_filter
from tunesmith.stores.database import Database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.vector_stores import VectorStores
from tunesmith.stores.vectors import StoreRecord


class RetrievalOptions(StrictModel):
    """How sources are found for this one request, and what becomes of an answer that none supports."""

    top_k: int | None = Field(None, ge=1, le=50)
    """Sources shown to the model."""
    announce: bool = False
    """In a stream: the sources on its first chunk too, before the answer."""
    unsupported: Unsupported | None = None
    """What becomes of an answer that no source supports; unset: what the platform does."""
    context_needed: float | None = Field(None, ge=0, le=1)
    """How much of question and answer a short answer must have around it; unset: the platform's."""
    context_by: ContextBy | None = None
    """What says how much that is: the words that they share, or the meaning too; unset: the platform's."""


class RankingOptions(StrictModel):
    """Ranking as it is: hybrid search, fused by reciprocal rank."""

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    """The one ranker there is, by either name; there is no second, slower one that `none` would turn off."""
    score_threshold: float = Field(0, ge=0, le=1)
    """Hits that score less are left out."""


class FileSearchTool(StrictModel):
    """The OpenAI file_search tool, as far as it is served: passing over the rest would widen the search."""

    type: Literal["file_search"]
    """Which tool it is."""
    vector_store_ids: list[str] = Field(min_length=1)
    """Stores, by id or name."""
    max_num_results: int | None = Field(None, ge=1, le=50)
    """Sources shown to the model."""
    filters: dict[str, Any] | None = None
    """What must hold of a source's attributes."""
    ranking_options: RankingOptions | None = None
    """How well a source must fit."""

    @field_validator("filters")
    @classmethod
    def _is_a_filter(cls, filters: dict[str, Any] | None) -> dict[str, Any] | None:
        if filters is not None:
            parse_filter(filters, param="tools.filters")
        return filters

    def narrowing(self) -> dict[str, Any]:
        """What of this search leaves hits out.

        Returns:
            Filters and threshold as the answer application takes them; empty where there are none.
        """
        threshold = self.ranking_options.score_threshold if self.ranking_options else 0
        return ({"filters": self.filters} if self.filters is not None else {}) | (
            {"score_threshold": threshold} if threshold else {}
        )


def find_stores(database: Database, project_id: str, names: Sequence[str]) -> list[StoreRecord]:
    """Look vector stores up.

    Args:
        database: the metadata database.
        project_id: whose stores count.
        names: names or ids; one named twice counts once.

    Returns:
        The stores, in the order asked for.

    Raises:
        NotFoundError: one does not exist; lists those that do.
    """
    catalog = DocumentCatalog(database, project_id)
    found = {store.id: store for store in map(catalog.store, names)}
    VectorStores(database, project_id).touch(found.values())
    return list(found.values())


def narrowing(searches: Sequence[FileSearchTool]) -> dict[str, Any]:
    """What of a request's searches leaves hits out.

    Args:
        searches: its file_search tools.

    Returns:
        Filters and threshold as the answer application takes them.

    Raises:
        ConfigError: the tools do not say the same: all their stores are searched at once.
    """
    asked = [search.narrowing() for search in searches]
    if any(one != asked[0] for one in asked):
        raise ConfigError(
            "Several file_search tools have different filters or thresholds, but their stores are searched together. "
            "Send one such tool, or the same filters in each.",
            param="tools",
            code="invalid_value",
        )
    return asked[0] if asked else {}


def split_tools(tools: Sequence[Mapping[str, Any]]) -> tuple[list[FileSearchTool], list[Mapping[str, Any]]]:
    """Part the file_search tools, which the platform runs, from those that the engine is told about.

    Args:
        tools: the request's tools.

    Returns:
        File searches, and the rest.

    Raises:
        ConfigError: a file_search tool is wrong.
    """
    searches = [_file_search(tool) for tool in tools if tool.get("type") == "file_search"]
    return searches, [tool for tool in tools if tool.get("type") != "file_search"]


def _file_search(tool: Mapping[str, Any]) -> FileSearchTool:
    try:
        return FileSearchTool.model_validate(tool)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"])
        said = "is not served here" if fault["type"] in ("extra_forbidden", "none_required") else fault["msg"]
        raise ConfigError(
            f"A file_search tool's '{field}': {said}. It takes \"vector_store_ids\", a list with at least one store, "
            '"max_num_results" from 1 to 50, "filters" and "ranking_options".',
            param=f"tools.{field}",
            code="invalid_value",
        ) from error
