"""Retrieval asked for in a chat request: by `vector_stores`, by a `file_search` tool, or by the alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from tunesmith.errors import ConfigError, NotFoundError
from tunesmith.stores.database import Database, VectorStoreRow


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


@dataclass(frozen=True, slots=True)
class FoundStore:
    """A vector store as the data plane needs it: where its vectors lie and what made them."""

    id: str
    name: str
    collection: str
    embedder: str
    project_id: str

    def as_json(self) -> dict[str, str]:
        """Its fields, for the request to the data plane."""
        return asdict(self)


def find_stores(database: Database, project_id: str, names: Sequence[str]) -> list[FoundStore]:
    """Look vector stores up.

    Args:
        database: the metadata database.
        project_id: whose stores count.
        names: names or ids.

    Returns:
        The stores, in the order asked for.

    Raises:
        NotFoundError: one does not exist; lists those that do.
    """
    with database.session() as session:
        rows = list(session.scalars(select(VectorStoreRow).filter_by(project_id=project_id)))
    by_name = {key: row for row in rows for key in (row.id, row.name)}
    missing = [name for name in names if name not in by_name]
    if missing:
        known = ", ".join(sorted(row.name for row in rows)) or "none yet; `tunesmith ingest` makes one"
        raise NotFoundError(
            f"The vector store '{missing[0]}' does not exist. There are: {known}.",
            param="vector_stores",
            code="vector_store_not_found",
        )
    return [_to_store(by_name[name]) for name in dict.fromkeys(names)]


def stores_exist(database: Database, project_id: str, name: str) -> bool:
    """Whether a project has a vector store.

    Args:
        database: the metadata database.
        project_id: whose stores count.
        name: name or id.

    Returns:
        True where it exists.
    """
    query = select(VectorStoreRow.id).where(
        VectorStoreRow.project_id == project_id, or_(VectorStoreRow.name == name, VectorStoreRow.id == name)
    )
    with database.session() as session:
        return session.scalar(query) is not None


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


def _to_store(row: VectorStoreRow) -> FoundStore:
    return FoundStore(row.id, row.name, row.collection, row.embedder, row.project_id)
