"""Retrieval asked for in a chat request: by `vector_stores`, by a `file_search` tool, or by the alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from tunesmith.errors import ConfigError
from tunesmith.stores.database import Database
from tunesmith.stores.documents import DocumentCatalog
from tunesmith.stores.vectors import StoreRecord


class RetrievalOptions(BaseModel):
    """How sources are found for this one request."""

    top_k: int | None = Field(None, ge=1, le=50)
    """Sources shown to the model."""


class FileSearchTool(BaseModel):
    """The OpenAI file_search tool, as far as chat needs it."""

    vector_store_ids: list[str] = Field(min_length=1)
    """Stores, by id or name."""
    max_num_results: int | None = Field(None, ge=1, le=50)
    """Sources shown to the model."""


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
    return list(found.values())


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
    except ValueError as error:
        raise ConfigError(
            'A file_search tool needs "vector_store_ids", a list with at least one store, '
            'and may have "max_num_results" from 1 to 50.',
            param="tools",
            code="invalid_value",
        ) from error
