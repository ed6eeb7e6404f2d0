"""The bodies and queries of `/v1/vector_stores`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from tunesmith.gateway.body import BLANK, either
from tunesmith.gateway.paging import PageFields
from tunesmith.gateway.retrieval import RankingOptions
from tunesmith.stores.attribute_filter import parse_filter
from tunesmith.stores.store_files import Attachment, FileStatus

MAX_FILES_OF_A_NEW_STORE = 500
MAX_FILES_OF_A_BATCH = 2000
_MOST_QUERIES = 16
_SOMETHING = rf"[^{BLANK}]"
_TEXT = {"type": "string", "pattern": _SOMETHING}
_QUERY = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": _MOST_QUERIES}]}

Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=16),
]
AttributeText = Annotated[str, StringConstraints(max_length=512)]
AttributeNumber = Annotated[float, Field(allow_inf_nan=False)]
Attributes = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=64)],
        Annotated[bool | int | AttributeNumber | AttributeText, Field(union_mode="smart")],
    ],
    Field(max_length=16),
]
"""At most 16: text of at most 512 letters, numbers, booleans."""


class StoreExpiry(BaseModel):
    """When a store goes by itself."""

    model_config = ConfigDict(extra="forbid")
    anchor: Literal["last_active_at"]
    """What the days count from."""
    days: int = Field(ge=1, le=365)
    """Days without a use."""


class StaticChunks(BaseModel):
    """Length and overlap of chunks."""

    model_config = ConfigDict(extra="forbid")
    max_chunk_size_tokens: int = Field(ge=100, le=4096)
    """Most tokens of a chunk."""
    chunk_overlap_tokens: int = Field(ge=0)
    """Tokens that neighbours share."""

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> StaticChunks:
        if self.chunk_overlap_tokens * 2 > self.max_chunk_size_tokens:
            raise ValueError(
                f"chunk_overlap_tokens={self.chunk_overlap_tokens} is more than half of "
                f"max_chunk_size_tokens={self.max_chunk_size_tokens}. "
                f"Use {self.max_chunk_size_tokens // 2} or less"
            )
        return self


class AutoStrategy(BaseModel):
    """Cut as the platform sees fit."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["auto"]
    """Which strategy it is."""


class StaticStrategy(BaseModel):
    """Cut as the request says."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["static"]
    """Which strategy it is."""
    static: StaticChunks
    """Length and overlap."""


ChunkingStrategy = Annotated[AutoStrategy | StaticStrategy, Field(discriminator="type")]


class StoreFields(BaseModel):
    """A store that shall be made."""

    model_config = ConfigDict(extra="forbid")
    name: str | None = Field(None, max_length=256)
    """What its owner calls it; others may be called the same."""
    description: str | None = Field(None, max_length=4096)
    """What its owner says of it."""
    file_ids: list[str] = Field([], max_length=MAX_FILES_OF_A_NEW_STORE)
    """Files to attach at once."""
    expires_after: StoreExpiry | None = None
    """When it goes by itself."""
    chunking_strategy: ChunkingStrategy | None = None
    """How `file_ids` are cut."""
    metadata: Metadata | None = None
    """Its owner's own."""


class StoreUpdateFields(BaseModel):
    """What shall be other of a store."""

    model_config = ConfigDict(extra="forbid")
    name: str | None = Field(None, max_length=256)
    """Its new name."""
    expires_after: StoreExpiry | None = None
    """When it goes by itself; null: never."""
    metadata: Metadata | None = None
    """In place of what there was; null: nothing."""


class FileFields(BaseModel):
    """A file that shall be searchable."""

    model_config = ConfigDict(extra="forbid")
    file_id: str = Field(min_length=1)
    """The uploaded file."""
    attributes: Attributes | None = None
    """What searches may be filtered by."""
    chunking_strategy: ChunkingStrategy | None = None
    """How it is cut."""

    def attachment(self) -> Attachment:
        """The same for the stores."""
        return attachment(self.file_id, self.attributes, self.chunking_strategy)


class AttributeFields(BaseModel):
    """Other attributes of a file."""

    model_config = ConfigDict(extra="forbid")
    attributes: Attributes | None
    """All of them; null: none."""


class BatchFields(BaseModel):
    """Files that shall be searchable, together."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=either("file_ids", "files"))
    file_ids: list[str] | None = Field(None, min_length=1, max_length=MAX_FILES_OF_A_BATCH)
    """The files, with the same attributes and strategy."""
    files: list[FileFields] | None = Field(None, min_length=1, max_length=MAX_FILES_OF_A_BATCH)
    """The files, each with its own."""
    attributes: Attributes | None = None
    """Of all `file_ids`."""
    chunking_strategy: ChunkingStrategy | None = None
    """Of all `file_ids`."""

    @model_validator(mode="after")
    def _one_of_both(self) -> BatchFields:
        if (self.file_ids is None) == (self.files is None):
            raise ValueError("give either file_ids or files, and not both")
        return self

    def attachments(self) -> list[Attachment]:
        """The same for the stores."""
        if self.files is not None:
            return [file.attachment() for file in self.files]
        return [attachment(id, self.attributes, self.chunking_strategy) for id in self.file_ids or ()]


class SearchFields(BaseModel):
    """What to look for."""

    model_config = ConfigDict(extra="forbid")
    query: Annotated[str | list[str], WithJsonSchema(_QUERY)]
    """One question or several."""
    max_num_results: int = Field(10, ge=1, le=50)
    """Most hits."""
    filters: dict[str, Any] | None = None
    """What must hold of a file's attributes."""
    ranking_options: RankingOptions = RankingOptions()
    """How well a hit must fit."""
    rewrite_query: bool = False
    """Without effect: questions are searched for as they are, which `search_query` shows."""

    @field_validator("filters")
    @classmethod
    def _is_a_filter(cls, filters: dict[str, Any] | None) -> dict[str, Any] | None:
        if filters is not None:
            parse_filter(filters)
        return filters

    @field_validator("query")
    @classmethod
    def _says_something(cls, query: str | list[str]) -> str | list[str]:
        texts = [query] if isinstance(query, str) else query
        if not 0 < len(texts) <= _MOST_QUERIES or not all(re.search(_SOMETHING, text) for text in texts):
            raise ValueError(f"must be a text, or a list of 1 to {_MOST_QUERIES} texts, none of them empty")
        return query

    @property
    def queries(self) -> list[str]:
        """All questions."""
        return [self.query] if isinstance(self.query, str) else self.query


class StorePageFields(PageFields):
    """The query of a list that can be read backwards too."""

    before: str | None = None
    """Id of the first thing on the page behind."""


class FilePageFields(StorePageFields):
    """The query of a list of files."""

    filter: FileStatus | None = None
    """Only files in this state."""


def attachment(
    file_id: str, attributes: dict[str, Any] | None, strategy: AutoStrategy | StaticStrategy | None
) -> Attachment:
    """Say for the stores what a request said.

    Args:
        file_id: the file.
        attributes: its attributes.
        strategy: how it is cut.

    Returns:
        The same; `auto` is no strategy of its own.
    """
    static = strategy.model_dump() if isinstance(strategy, StaticStrategy) else None
    return Attachment(file_id, attributes or {}, static)
